# Ask for a code. A development key is shown it in the answer; otherwise it comes by mail.
asked=$(curl -s <<url>>/sdk/auth/v2/signin/otp-login \
  -H 'x-api-key: <<key>>' -d '{"email":"ada@example.com"}')
echo "$asked"

# Trade the transaction and its code for a session.
transaction=$(echo "$asked" | sed 's/.*"transactionId":"\([^"]*\)".*/\1/')
code=$(echo "$asked" | sed -n 's/.*"userCode":"\([^"]*\)".*/\1/p')
if [ -z "$code" ]; then printf 'The code from the mail: '; read -r code; fi
session=$(curl -s <<url>>/sdk/auth/v2/signin/otp-verify \
  -H 'x-api-key: <<key>>' -d "{\"transactionId\":\"$transaction\",\"code\":\"$code\"}")
echo "$session"

# Refresh. If the answer is lost, send the same token again.
refresh=$(echo "$session" | sed 's/.*"refreshToken":"\([^"]*\)".*/\1/')
curl -s <<url>>/sdk/auth/v2/session/refresh \
  -H 'x-api-key: <<key>>' -d "{\"refreshToken\":\"$refresh\"}"
