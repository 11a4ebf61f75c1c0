// User Identity Negotiation (PS3.7 D.3.3.7): what a peer must say who it is, where the settings want it.
import { timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Peer } from '../../config/settings.ts';
import type { UserIdentity } from './user-information.ts';
import { USER_IDENTITY } from './user-information.ts';

const NAMES: Record<number, string> = {
  [USER_IDENTITY.username]: 'a user name',
  [USER_IDENTITY.passcode]: 'a user name and passcode',
  [USER_IDENTITY.kerberos]: 'a Kerberos ticket',
  [USER_IDENTITY.saml]: 'a SAML assertion',
  [USER_IDENTITY.jwt]: 'a JSON Web Token',
};

/** Of a user name with or without passcode; undefined for tickets, assertions and tokens, which we do not read. */
export function userName(identity: UserIdentity | undefined): string | undefined {
  if (identity?.type !== USER_IDENTITY.username && identity?.type !== USER_IDENTITY.passcode) return undefined;
  return identity.primary.toString('utf8');
}

/**
 * @returns why the peer is not who it must be, or undefined
 * @throws what the file system does where the passcode cannot be read
 */
export async function identityProblem({ requireUser: required, name: peer }: Pick<Peer, 'name' | 'requireUser'>, identity: UserIdentity | undefined): Promise<string | undefined> {
  if (!required) return undefined;
  const name = userName(identity);
  if (name === undefined) return `peer "${peer}" must give a user name and gave ${identity ? (NAMES[identity.type] ?? `an identity of type ${identity.type}`) : 'none'}`;
  if (!isSame(name, required.name)) return `peer "${peer}" gave another user name than it must`;
  if (required.passcodeFile === undefined) return undefined;
  const passcode = (await readFile(required.passcodeFile, 'utf8')).trim();
  return isSame(identity?.secondary.toString('utf8') ?? '', passcode) ? undefined : `peer "${peer}" gave a wrong passcode, or none`;
}

/**
 * What we say to a peer who we are. No positive response is asked for: peers that know no User Identity give none, and are of use all
 * the same.
 * @throws what the file system does where the passcode cannot be read
 */
export async function ourIdentity({ name, passcodeFile }: NonNullable<Peer['sendUser']>): Promise<UserIdentity> {
  const passcode = passcodeFile === undefined ? undefined : (await readFile(passcodeFile, 'utf8')).trim();
  const type = passcode === undefined ? USER_IDENTITY.username : USER_IDENTITY.passcode;
  return { type, positiveResponse: false, primary: Buffer.from(name), secondary: Buffer.from(passcode ?? '') };
}

/** Takes as long whatever is wrong, but for the length. */
function isSame(given: string, wanted: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(wanted)];
  return one.length === other.length && timingSafeEqual(one, other);
}
