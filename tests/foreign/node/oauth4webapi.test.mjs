// oauth4webapi, a strict client of the RFCs, as a public client that discovers everything.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as oauth from "oauth4webapi";
import { GATEPASS, KEY, newUser, signInToken } from "./gatepass.mjs";

const insecure = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(GATEPASS);
const server = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { ...insecure, algorithm: "oauth2" }),
);
const client = { client_id: "any-app" };
const nobody = oauth.None();
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";

/** Tokens for a new user, bound to the key of `DPoP` if one is given. */
async function signIn(options = {}) {
  const parameters = {
    subject_token: await signInToken(await newUser()),
    subject_token_type: "urn:junction:sign-in-token",
  };
  const answer = await oauth.genericTokenEndpointRequest(server, client, nobody, EXCHANGE, parameters, {
    ...insecure,
    ...options,
  });
  return oauth.processGenericTokenEndpointResponse(server, client, answer);
}

async function refresh(token, options = {}) {
  const answer = await oauth.refreshTokenGrantRequest(server, client, nobody, token, { ...insecure, ...options });
  return oauth.processRefreshTokenResponse(server, client, answer);
}

async function userInfo(tokens, options = {}) {
  const answer = await oauth.userInfoRequest(server, client, tokens.access_token, { ...insecure, ...options });
  return oauth.processUserInfoResponse(server, client, tokens.user_id, answer);
}

async function introspect(token) {
  const secret = oauth.ClientSecretBasic(KEY);
  const answer = await oauth.introspectionRequest(server, client, secret, token, insecure);
  return oauth.processIntrospectionResponse(server, client, answer);
}

async function revoke(token) {
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, nobody, token, insecure));
}

test("exchange, refresh, user info", async () => {
  const first = await signIn();
  assert.equal(first.token_type, "bearer");
  assert.equal(first.issued_token_type, "urn:ietf:params:oauth:token-type:access_token");
  assert.equal((await userInfo(first)).sub, first.user_id);
  const second = await refresh(first.refresh_token);
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.equal((await userInfo(second)).sub, first.user_id);
});

test("revocation ends the session, which introspection and a readable invalid_grant tell", async () => {
  const tokens = await signIn();
  const alive = await introspect(tokens.access_token);
  assert.equal(alive.active, true);
  assert.equal(alive.sub, tokens.user_id);
  assert.equal((await introspect(tokens.refresh_token)).active, true);
  await revoke(tokens.refresh_token);
  await revoke("a token that never was");
  assert.deepEqual(await introspect(tokens.access_token), { active: false });
  assert.deepEqual(await introspect(tokens.refresh_token), { active: false });
  await assert.rejects(refresh(tokens.refresh_token), (error) => {
    assert.ok(error instanceof oauth.ResponseBodyError);
    assert.equal(error.error, "invalid_grant");
    assert.match(error.error_description, /ended/);
    return true;
  });
});

test("a dead access token is refused with a challenge that the client can read", async () => {
  const tokens = await signIn();
  await revoke(tokens.access_token);
  const called = oauth.userInfoRequest(server, client, tokens.access_token, insecure);
  const challenged = called.then((answer) => oauth.processUserInfoResponse(server, client, tokens.user_id, answer));
  await assert.rejects(challenged, (error) => {
    assert.ok(error instanceof oauth.WWWAuthenticateChallengeError);
    assert.ok(error.cause.some(({ scheme, parameters }) => scheme === "bearer" && parameters.error === "invalid_token"));
    return true;
  });
});

test("with DPoP the session belongs to a key, and nobody else's", async () => {
  const mine = { DPoP: oauth.DPoP(client, await oauth.generateKeyPair("ES256")) };
  const another = { DPoP: oauth.DPoP(client, await oauth.generateKeyPair("ES256")) };
  const first = await signIn(mine);
  assert.equal(first.token_type, "dpop");
  assert.equal((await userInfo(first, mine)).sub, first.user_id);
  const second = await refresh(first.refresh_token, mine);
  assert.equal(second.refresh_token, first.refresh_token, "a bound session keeps its refresh token");
  assert.equal((await userInfo(second, mine)).sub, first.user_id);
  assert.ok((await introspect(second.access_token)).cnf.jkt);
  for (const options of [another, {}]) {
    await assert.rejects(refresh(second.refresh_token, options), { error: "invalid_dpop_proof" });
    await assert.rejects(userInfo(second, options));
  }
  assert.equal((await userInfo(await refresh(second.refresh_token, mine), mine)).sub, first.user_id);
});
