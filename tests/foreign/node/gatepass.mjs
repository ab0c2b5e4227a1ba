// What the stories know of the server under test, and the two calls that a customer's backend makes for them.

export const { GATEPASS, TEAM, TENANT, KEY } = process.env;

async function call(method, path, body) {
  const answer = await fetch(GATEPASS + path, {
    method,
    headers: { "x-vital-api-key": KEY, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

let number = 0;

/** A new user's id. */
export async function newUser() {
  return (await call("POST", "/v2/user", { client_user_id: `member-${(number += 1)}-${process.pid}` })).user_id;
}

/** A sign-in token, as the backend hands it to the app. */
export async function signInToken(userId) {
  return (await call("POST", `/v2/user/${userId}/sign_in_token`)).sign_in_token;
}

/** The JWT inside a sign-in token, which Google's clients take. */
export function customToken(token) {
  return JSON.parse(Buffer.from(token, "base64").toString()).user_token;
}

export async function deleteUser(userId) {
  return call("DELETE", `/v2/user/${userId}`);
}
