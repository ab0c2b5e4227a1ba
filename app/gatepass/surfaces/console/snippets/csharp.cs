using System;
using System.Collections.Generic;
using System.Net.Http;
using System.Text;
using System.Text.Json;
using System.Threading.Tasks;

var http = new HttpClient { BaseAddress = new Uri("<<url>>") };
http.DefaultRequestHeaders.Add("x-api-key", "<<key>>");

async Task<JsonElement> Call(string path, Dictionary<string, string> body)
{
    var content = new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
    var answer = await http.PostAsync(path, content);
    return JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("data");
}

// Ask for a code. A development key is shown it in the answer; otherwise it comes by mail.
var asked = await Call("/sdk/auth/v2/signin/otp-login", new() { ["email"] = "ada@example.com" });
var code = asked.TryGetProperty("userCode", out var shown) ? shown.GetString()! : "the code from the mail";

// Trade the transaction and its code for a session.
var session = await Call("/sdk/auth/v2/signin/otp-verify",
    new() { ["transactionId"] = asked.GetProperty("transactionId").GetString()!, ["code"] = code });

// Refresh. Replace the stored token only when the new one has arrived; if the answer is lost, send the same again.
var refreshed = await Call("/sdk/auth/v2/session/refresh",
    new() { ["refreshToken"] = session.GetProperty("refreshToken").GetString()! });
Console.WriteLine(refreshed.GetProperty("tokenExpiry"));
