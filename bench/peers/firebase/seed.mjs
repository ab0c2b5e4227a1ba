// Sign up COUNT users at the emulator; their refresh tokens go to the file POOL. `node seed.mjs URL COUNT POOL`
import { writeFileSync } from 'node:fs';

const [, , url, count, pool] = process.argv;
const tokens = [];
for (let number = 0; number < Number(count); number += 1) {
  const answer = await fetch(`${url}/identitytoolkit.googleapis.com/v1/accounts:signUp?key=bench`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: `u${number}@example.com`, password: 'correct horse', returnSecureToken: true }),
  });
  tokens.push((await answer.json()).refreshToken);
}
writeFileSync(pool, tokens.map((token) => `${token}\n`).join(''));
