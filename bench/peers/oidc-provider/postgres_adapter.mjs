// One table of JSON payloads, as the adapters that oidc-provider's documentation links to keep them.
import pg from 'pg';

const SCHEMA = `
  CREATE TABLE payloads (
    id text NOT NULL, model text NOT NULL, payload jsonb NOT NULL, grant_id text, expires_at bigint, consumed_at bigint,
    PRIMARY KEY (model, id)
  );
  CREATE INDEX payloads_grant_id ON payloads (grant_id);
`;
const FIND = { name: 'find', text: 'SELECT payload, consumed_at FROM payloads WHERE model = $1 AND id = $2' };
const UPSERT = {
  name: 'upsert',
  text: `INSERT INTO payloads (model, id, payload, grant_id, expires_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (model, id) DO UPDATE SET payload = EXCLUDED.payload, expires_at = EXCLUDED.expires_at`,
};
const CONSUME = { name: 'consume', text: 'UPDATE payloads SET consumed_at = $3 WHERE model = $1 AND id = $2' };
const DESTROY = { name: 'destroy', text: 'DELETE FROM payloads WHERE model = $1 AND id = $2' };
const REVOKE = { name: 'revoke', text: 'DELETE FROM payloads WHERE grant_id = $1' };

const now = () => Math.floor(Date.now() / 1000);

export async function postgresAdapter(url) {
  const pool = new pg.Pool({ connectionString: url, max: 16 });
  await pool.query(SCHEMA);

  return class PostgresAdapter {
    constructor(model) {
      this.model = model;
    }

    async upsert(id, payload, expiresIn) {
      const expiresAt = expiresIn ? now() + expiresIn : null;
      await pool.query({ ...UPSERT, values: [this.model, id, payload, payload.grantId ?? null, expiresAt] });
    }

    async find(id) {
      const { rows } = await pool.query({ ...FIND, values: [this.model, id] });
      if (!rows.length) return undefined;
      const [{ payload, consumed_at: consumed }] = rows;
      return consumed ? { ...payload, consumed: Number(consumed) } : payload;
    }

    async consume(id) {
      await pool.query({ ...CONSUME, values: [this.model, id, now()] });
    }

    async destroy(id) {
      await pool.query({ ...DESTROY, values: [this.model, id] });
    }

    async revokeByGrantId(grantId) {
      await pool.query({ ...REVOKE, values: [grantId] });
    }
  };
}
