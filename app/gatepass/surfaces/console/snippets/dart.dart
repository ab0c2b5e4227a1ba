import 'dart:convert';
import 'package:http/http.dart' as http; // dart pub add http

const server = '<<url>>';

Future<Map<String, dynamic>> call(String path, Map<String, String> body) async {
  final answer = await http.post(
    Uri.parse('$server$path'),
    headers: {'x-api-key': '<<key>>', 'content-type': 'application/json'},
    body: jsonEncode(body),
  );
  return jsonDecode(answer.body)['data'] as Map<String, dynamic>;
}

Future<void> main() async {
  // Ask for a code. A development key is shown it in the answer; otherwise it comes by mail.
  final asked = await call('/sdk/auth/v2/signin/otp-login', {'email': 'ada@example.com'});
  final code = asked['userCode'] as String? ?? 'the code from the mail';

  // Trade the transaction and its code for a session; keep its refreshToken in secure storage.
  final session = await call('/sdk/auth/v2/signin/otp-verify',
      {'transactionId': asked['transactionId'] as String, 'code': code});

  // Refresh. Replace the stored token only when the new one has arrived; if the answer is lost, send the same again.
  final refreshed = await call('/sdk/auth/v2/session/refresh', {'refreshToken': session['refreshToken'] as String});
  print(refreshed['tokenExpiry']);
}
