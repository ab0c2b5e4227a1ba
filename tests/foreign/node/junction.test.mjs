// Junction's Node SDK, as published: only its `baseUrl` changes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Junction, JunctionClient, JunctionError } from "@junction-api/sdk";
import { GATEPASS, KEY, TEAM } from "./gatepass.mjs";

/** A client, and the list of calls that it made; the first ones are answered with `trouble`, if any. */
function connect({ key = KEY, trouble = [] } = {}) {
  const calls = [];
  const counting = async (url, init) => {
    calls.push(`${init.method} ${String(url).replace(GATEPASS, "")}`);
    const status = trouble.shift();
    return status ? Response.json({ detail: "Later" }, { status, headers: { "retry-after": "1" } }) : fetch(url, init);
  };
  return { calls, users: new JunctionClient({ apiKey: key, baseUrl: GATEPASS, fetch: counting }).user };
}

let number = 0;
const named = (name = "member") => `${name} ${(number += 1)}`;

/** What a call is refused with. */
async function refusal(call) {
  try {
    await call;
  } catch (error) {
    return error;
  }
  return assert.fail("it was not refused");
}

test("a user from create to sign-in token", async () => {
  const { users } = connect();
  const clientUserId = named();
  const made = await users.create({ clientUserId, fallbackTimeZone: "Europe/Lisbon", fallbackBirthDate: "1990-04-12" });
  assert.equal(made.clientUserId, clientUserId);
  assert.equal(made.teamId, TEAM);
  assert.equal(made.fallbackTimeZone.id, "Europe/Lisbon");
  assert.deepEqual(await users.get({ userId: made.userId }), made);
  const renamed = named("renamed");
  await users.patch({ userId: made.userId, clientUserId: renamed });
  assert.equal((await users.getByClientUserId({ clientUserId: renamed })).userId, made.userId);
  const token = await users.getUserSignInToken({ userId: made.userId });
  assert.equal(token.userId, made.userId);
  assert.ok(token.signInToken);
  assert.deepEqual(await users.getConnectedProviders({ userId: made.userId }), { providers: [] });
});

test("users are listed newest first", async () => {
  const { users } = connect();
  const made = [];
  for (let count = 0; count < 3; count += 1) made.push((await users.create({ clientUserId: named() })).userId);
  const page = await users.getAll({ offset: 0, limit: 2 });
  assert.deepEqual(page.users.map((user) => user.userId), [made[2], made[1]]);
  assert.equal(page.limit, 2);
});

for (const name of ["two words", "a/b", "a+b", "50%2F", "Zoë-Ωμέγα", "ünï/cödé +1"]) {
  test(`a user called ${name} is resolved`, async () => {
    const { users } = connect();
    const clientUserId = named(name);
    const made = await users.create({ clientUserId });
    assert.equal((await users.getByClientUserId({ clientUserId })).userId, made.userId);
  });
}

test("a deleted user is gone until undone", async () => {
  const { users } = connect();
  const { userId } = await users.create({ clientUserId: named() });
  assert.equal((await users.delete({ userId })).success, true);
  for (const method of ["get", "delete", "getUserSignInToken"]) {
    assert.equal((await refusal(users[method]({ userId }))).statusCode, 404);
  }
  assert.equal((await users.undoDelete({ userId })).success, true);
  assert.equal((await users.get({ userId })).userId, userId);
});

test("a conflict names the user to go on with, and is not tried again", async () => {
  const { users, calls } = connect();
  const clientUserId = named();
  const made = await users.create({ clientUserId });
  const conflict = await refusal(users.create({ clientUserId }));
  assert.ok(conflict instanceof Junction.BadRequestError);
  assert.equal(conflict.body.detail.user_id, made.userId);
  assert.equal(calls.length, 2);
});

test("refusals arrive as the SDK's errors after one call each", async () => {
  const { users, calls } = connect();
  const stranger = connect({ key: `sk_us_${"x".repeat(40)}` });
  const unknownKey = await refusal(stranger.users.getAll());
  assert.ok(unknownKey instanceof JunctionError);
  assert.equal(unknownKey.statusCode, 401);
  assert.deepEqual(unknownKey.body, { detail: "invalid token" });
  const nobody = await refusal(users.get({ userId: crypto.randomUUID() }));
  assert.deepEqual([nobody.statusCode, nobody.body], [404, { detail: "Not found" }]);
  assert.ok((await refusal(users.get({ userId: "no-id" }))) instanceof Junction.UnprocessableEntityError);
  assert.ok((await refusal(users.getAll({ limit: 501 }))) instanceof Junction.UnprocessableEntityError);
  assert.equal(stranger.calls.length, 1);
  assert.equal(calls.length, 3);
});

for (const status of [429, 503]) {
  test(`a call is repeated after ${status}, and then works`, async () => {
    const { users, calls } = connect({ trouble: [status] });
    assert.ok((await users.getAll()).total >= 0);
    assert.equal(calls.length, 2);
  });
}
