// An ES module. It is JavaScript as well: node try-it.mjs
const server = "<<url>>"
const headers = { "x-api-key": "<<key>>", "content-type": "application/json" }

// Ask for a code. A development key is shown it in the answer; otherwise it comes by mail.
const asked = await fetch(server + "/sdk/auth/v2/signin/otp-login", {
  method: "POST", headers, body: JSON.stringify({ email: "ada@example.com" }),
}).then(answer => answer.json())
const { transactionId, userCode } = asked.data

// Trade the transaction and its code for a session.
const session = await fetch(server + "/sdk/auth/v2/signin/otp-verify", {
  method: "POST", headers, body: JSON.stringify({ transactionId, code: userCode ?? "the code from the mail" }),
}).then(answer => answer.json())
console.log("signed in as", session.data.user._id)

// Refresh before data.tokenExpiry (epoch ms). Keep the old token until the new one is stored:
// if the answer is lost, send the same token again.
const refreshed = await fetch(server + "/sdk/auth/v2/session/refresh", {
  method: "POST", headers, body: JSON.stringify({ refreshToken: session.data.refreshToken }),
}).then(answer => answer.json())
console.log("refreshed:", refreshed.success)
