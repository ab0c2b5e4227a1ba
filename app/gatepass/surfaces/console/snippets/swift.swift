import Foundation

let server = URL(string: "<<url>>")!

func call(_ path: String, _ body: [String: String]) async throws -> [String: Any] {
    var request = URLRequest(url: server.appendingPathComponent(path))
    request.httpMethod = "POST"
    request.setValue("<<key>>", forHTTPHeaderField: "x-api-key")
    request.setValue("application/json", forHTTPHeaderField: "content-type")
    request.httpBody = try JSONEncoder().encode(body)
    let (data, _) = try await URLSession.shared.data(for: request)
    let answer = try JSONSerialization.jsonObject(with: data) as? [String: Any]
    guard let result = answer?["data"] as? [String: Any] else { throw URLError(.userAuthenticationRequired) }
    return result
}

// Ask for a code. A development key is shown it in the answer; otherwise it comes by mail.
let asked = try await call("sdk/auth/v2/signin/otp-login", ["email": "ada@example.com"])
let code = asked["userCode"] as? String ?? "the code from the mail"

// Trade the transaction and its code for a session; keep its refreshToken in the Keychain.
let session = try await call("sdk/auth/v2/signin/otp-verify",
                             ["transactionId": asked["transactionId"] as! String, "code": code])

// Refresh. Replace the stored token only when the new one has arrived; if the answer is lost, send the same again.
let refreshed = try await call("sdk/auth/v2/session/refresh",
                               ["refreshToken": session["refreshToken"] as! String])
print(refreshed["tokenExpiry"] ?? "")
