import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import org.json.JSONObject // on Android part of the platform, as HttpURLConnection is instead of java.net.http

const val SERVER = "<<url>>"
val http: HttpClient = HttpClient.newHttpClient()

fun call(path: String, vararg body: Pair<String, String>): JSONObject {
    val request = HttpRequest.newBuilder(URI("$SERVER$path"))
        .header("x-api-key", "<<key>>")
        .header("content-type", "application/json")
        .POST(HttpRequest.BodyPublishers.ofString(JSONObject(mapOf(*body)).toString()))
        .build()
    return JSONObject(http.send(request, HttpResponse.BodyHandlers.ofString()).body()).getJSONObject("data")
}

fun main() {
    // Ask for a code. A development key is shown it in the answer; otherwise it comes by mail.
    val asked = call("/sdk/auth/v2/signin/otp-login", "email" to "ada@example.com")
    val code = asked.optString("userCode").ifEmpty { print("The code from the mail: "); readln() }

    // Trade the transaction and its code for a session; keep its refreshToken where only the app can read it.
    val session = call("/sdk/auth/v2/signin/otp-verify",
        "transactionId" to asked.getString("transactionId"), "code" to code)

    // Refresh. Replace the stored token only when the new one has arrived; if the answer is lost, send the same again.
    val refreshed = call("/sdk/auth/v2/session/refresh", "refreshToken" to session.getString("refreshToken"))
    println(refreshed.getLong("tokenExpiry"))
}
