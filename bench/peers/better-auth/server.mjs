// better-auth with sign-in by e-mail code. The code leaves in the `x-code` header instead of a mail, so that the load can
// go on with it; nothing else is changed but its rate limit, which is off.
import { createServer } from 'node:http';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { emailOTP } from 'better-auth/plugins';
import pg from 'pg';

const { DATABASE_URL, PORT } = process.env;

const options = {
  baseURL: `http://127.0.0.1:${PORT}`,
  secret: 'a-secret-for-measurements-0123456789abcdef',
  database: new pg.Pool({ connectionString: DATABASE_URL, max: 16 }),
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { level: 'error' },
  plugins: [emailOTP({
    sendVerificationOTP: async ({ email, otp }, ctx) => {
      ctx.setHeader('x-code', `${email} ${otp}`);
    },
  })],
};

await (await getMigrations(options)).runMigrations();
createServer(toNodeHandler(betterAuth(options))).listen(Number(PORT), '127.0.0.1');
