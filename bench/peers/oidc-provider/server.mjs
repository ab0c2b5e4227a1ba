// oidc-provider with a public client and rotating refresh tokens. Access tokens are ES256 JWTs, so none is stored; no
// id_token is asked for. COUNT refresh tokens are made at the start through the provider's own models, into the file POOL.
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Provider } from 'oidc-provider';
import { postgresAdapter } from './postgres_adapter.mjs';

const { DATABASE_URL, PORT, POOL, COUNT } = process.env;
const RESOURCE = 'https://api.example.com';
const SCOPE = 'api';
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  ...(DATABASE_URL ? { adapter: await postgresAdapter(DATABASE_URL) } : {}),
  jwks: { keys: [{ ...key, kid: 'bench', use: 'sig', alg: 'ES256' }] },
  clients: [{
    client_id: 'bench',
    token_endpoint_auth_method: 'none',
    grant_types: ['refresh_token', 'authorization_code'],
    redirect_uris: ['https://app.example.com/callback'],
    id_token_signed_response_alg: 'ES256',
  }],
  rotateRefreshToken: true,
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => RESOURCE,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: SCOPE,
        audience: RESOURCE,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 3600,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  ttl: { RefreshToken: 90 * 86400, Grant: 90 * 86400 },
});

const client = await provider.Client.find('bench');
const tokens = [];
for (let number = 0; number < Number(COUNT); number += 1) {
  const grant = new provider.Grant({ accountId: `user-${number}`, clientId: 'bench' });
  grant.addResourceScope(RESOURCE, SCOPE);
  const grantId = await grant.save();
  const token = new provider.RefreshToken({
    accountId: `user-${number}`, client, grantId, gty: 'authorization_code', scope: SCOPE, resource: RESOURCE,
  });
  tokens.push(await token.save());
}
writeFileSync(POOL, tokens.map((token) => `${token}\n`).join(''));
provider.listen(Number(PORT), '127.0.0.1');
