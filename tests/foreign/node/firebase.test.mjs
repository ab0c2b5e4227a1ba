// Firebase Auth for JavaScript, by its emulator setting, and firebase-admin with the team's exported key.

import assert from "node:assert/strict";
import { test } from "node:test";
import { deleteApp, initializeApp } from "firebase/app";
import { connectAuthEmulator, getIdToken, inMemoryPersistence, initializeAuth, signInWithCustomToken } from "firebase/auth";
import { cert, initializeApp as initializeAdmin } from "firebase-admin/app";
import { getAuth as getAdminAuth } from "firebase-admin/auth";
import { customToken, deleteUser, GATEPASS, newUser, signInToken, TEAM, TENANT } from "./gatepass.mjs";

/** Firebase Auth of a fresh app, until the test ends. A team is a tenant, which an app names as ever. */
function connect(t) {
  const app = initializeApp({ apiKey: "any", projectId: "any" }, `app-${crypto.randomUUID()}`);
  t.after(() => deleteApp(app));
  const auth = initializeAuth(app, { persistence: inMemoryPersistence });
  auth.tenantId = TENANT;
  connectAuthEmulator(auth, GATEPASS, { disableWarnings: true });
  return auth;
}

test("an app signs in, refreshes twice and keeps each rotated token", async (t) => {
  const auth = connect(t);
  const userId = await newUser();
  const { user } = await signInWithCustomToken(auth, customToken(await signInToken(userId)));
  assert.deepEqual([user.uid, user.tenantId], [userId, TENANT]);
  const refreshTokens = [user.refreshToken];
  const idTokens = [await getIdToken(user)];
  for (let count = 0; count < 2; count += 1) {
    idTokens.push(await getIdToken(user, true));
    refreshTokens.push(user.refreshToken);
    await user.reload();
  }
  assert.equal(new Set(refreshTokens).size, 3);
  assert.equal(new Set(idTokens).size, 3);
  assert.equal(auth.currentUser, user);
});

test("an app of another tenant is refused", async (t) => {
  const auth = connect(t);
  const token = customToken(await signInToken(await newUser()));
  auth.tenantId = "t-another";
  await assert.rejects(signInWithCustomToken(auth, token), { code: "auth/tenant-id-mismatch" });
});

test("an app whose user was deleted is signed out by its next refresh", async (t) => {
  const auth = connect(t);
  const userId = await newUser();
  const { user } = await signInWithCustomToken(auth, customToken(await signInToken(userId)));
  await deleteUser(userId);
  await assert.rejects(getIdToken(user, true), /auth\/user-(not-found|token-expired)/);
  assert.equal(auth.currentUser, null);
});

test("a custom token that is none is refused as such", async (t) => {
  await assert.rejects(signInWithCustomToken(connect(t), "no.custom.token"), { code: "auth/invalid-custom-token" });
});

test("firebase-admin mints a token with the team's key, and it is exchanged in each dialect", async (t) => {
  const account = JSON.parse(process.env.SERVICE_ACCOUNT);
  const app = initializeAdmin({ credential: cert(account) }, "admin");
  const minter = getAdminAuth(app).tenantManager().authForTenant(TENANT);
  const mint = (userId) => minter.createCustomToken(userId, { vital_team_id: TEAM });

  const first = await newUser();
  assert.equal((await signInWithCustomToken(connect(t), await mint(first))).user.uid, first);

  for (const path of ["/v1/token", "/oauth/token"]) {
    const userId = await newUser(); // two tokens of one user and one second are the same token, and good for one session
    const answer = await fetch(GATEPASS + path, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token_type: "urn:junction:sign-in-token",
        subject_token: await mint(userId),
      }),
    });
    const tokens = await answer.json();
    assert.equal(answer.status, 200, JSON.stringify(tokens));
    assert.equal(tokens.user_id, userId);
  }
});
