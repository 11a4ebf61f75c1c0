// What both sides negotiate beside presentation contexts: the sub-items of user information (PS3.7 D.3.3, PS3.8 annex D).
import { protocolError } from './association-error.ts';
import type { Item } from './pdu-items.ts';
import { item, uidText } from './pdu-items.ts';

export const SUB_ITEM = {
  maximumLength: 0x51,
  implementationClassUid: 0x52,
  asyncOperations: 0x53,
  roleSelection: 0x54,
  implementationVersionName: 0x55,
  extended: 0x56,
  commonExtended: 0x57,
  userIdentity: 0x58,
  userIdentityResponse: 0x59,
} as const;

/** Roles of the association's requestor for a SOP class (PS3.7 D.3.3.4): proposed in the request, accepted in the answer. */
export interface Role {
  abstractSyntax: string;
  scu: boolean;
  scp: boolean;
}

/** Outstanding operations that the requestor may invoke, and perform (PS3.7 D.3.3.3); 0: any number. */
export interface AsyncOperations {
  invoked: number;
  performed: number;
}

/** SOP Class Extended Negotiation (PS3.7 D.3.3.5): its bytes mean what the service class of the SOP class says. */
export interface ExtendedNegotiation {
  sopClassUid: string;
  information: Buffer;
}

/** SOP Class Common Extended Negotiation (PS3.7 D.3.3.6): what kind of SOP class it is, for those who do not know it. */
export interface CommonExtendedNegotiation {
  sopClassUid: string;
  serviceClassUid: string;
  relatedGeneralSopClassUids: string[];
}

/** User-Identity-Type (PS3.7 table D.3-14). */
export const USER_IDENTITY = { username: 1, passcode: 2, kerberos: 3, saml: 4, jwt: 5 } as const;

/** User Identity of the requestor (PS3.7 D.3.3.7). */
export interface UserIdentity {
  type: number;
  positiveResponse: boolean;
  /** User name in UTF-8, Kerberos ticket, SAML assertion or JSON Web Token. */
  primary: Buffer;
  /** Passcode, with type 2 only. */
  secondary: Buffer;
}

/** What may be left out on either side. */
export interface Negotiated {
  asyncOperations?: AsyncOperations;
  roles: Role[];
  extended?: ExtendedNegotiation[];
  /** In a request only. */
  commonExtended?: CommonExtendedNegotiation[];
  /** In a request only. */
  userIdentity?: UserIdentity;
  /** In an acceptance only: the server's response, empty but for Kerberos and SAML. */
  userIdentityResponse?: Buffer;
}

export function encodeNegotiated({ asyncOperations, roles, extended = [], commonExtended = [], userIdentity, userIdentityResponse }: Negotiated): Buffer[] {
  return [
    ...(asyncOperations ? [item(SUB_ITEM.asyncOperations, short(asyncOperations.invoked), short(asyncOperations.performed))] : []),
    ...roles.map(({ abstractSyntax, scu, scp }) => item(SUB_ITEM.roleSelection, sized(abstractSyntax), Buffer.from([Number(scu), Number(scp)]))),
    ...extended.map(({ sopClassUid, information }) => item(SUB_ITEM.extended, sized(sopClassUid), information)),
    ...commonExtended.map(({ sopClassUid, serviceClassUid, relatedGeneralSopClassUids }) =>
      item(SUB_ITEM.commonExtended, sized(sopClassUid), sized(serviceClassUid), sized(Buffer.concat(relatedGeneralSopClassUids.map((uid) => sized(uid))))),
    ),
    ...(userIdentity
      ? [item(SUB_ITEM.userIdentity, Buffer.from([userIdentity.type, Number(userIdentity.positiveResponse)]), sized(userIdentity.primary), sized(userIdentity.secondary))]
      : []),
    ...(userIdentityResponse ? [item(SUB_ITEM.userIdentityResponse, sized(userIdentityResponse))] : []),
  ];
}

/** @throws {AssociationError} where a sub-item runs past its end or is too short */
export function decodeNegotiated(information: Item[]): Negotiated {
  const of = (type: number): Buffer[] => information.filter((one) => one.type === type).map(({ value }) => value);
  const [asyncOperations] = of(SUB_ITEM.asyncOperations).map(decodeAsyncOperations);
  const [userIdentity] = of(SUB_ITEM.userIdentity).map(decodeUserIdentity);
  const [userIdentityResponse] = of(SUB_ITEM.userIdentityResponse).map((value) => new Fields('user identity response item', value).sized());
  const extended = of(SUB_ITEM.extended).map(decodeExtended);
  const commonExtended = of(SUB_ITEM.commonExtended).map(decodeCommonExtended);
  return {
    roles: of(SUB_ITEM.roleSelection).map(decodeRole),
    ...(asyncOperations && { asyncOperations }),
    ...(extended.length > 0 && { extended }),
    ...(commonExtended.length > 0 && { commonExtended }),
    ...(userIdentity && { userIdentity }),
    ...(userIdentityResponse && { userIdentityResponse }),
  };
}

function decodeRole(value: Buffer): Role {
  const fields = new Fields('role selection item', value);
  const abstractSyntax = uidText(fields.sized());
  const [scu, scp] = fields.take(2);
  fields.expectEnd();
  return { abstractSyntax, scu: scu === 1, scp: scp === 1 };
}

function decodeAsyncOperations(value: Buffer): AsyncOperations {
  const fields = new Fields('asynchronous operations window item', value);
  const operations = { invoked: fields.take(2).readUInt16BE(0), performed: fields.take(2).readUInt16BE(0) };
  fields.expectEnd();
  return operations;
}

function decodeExtended(value: Buffer): ExtendedNegotiation {
  const fields = new Fields('SOP class extended negotiation item', value);
  return { sopClassUid: uidText(fields.sized()), information: fields.rest() };
}

/** Whatever stands after the related SOP classes is passed over: later versions of the item may have more (PS3.7 D.3.3.6). */
function decodeCommonExtended(value: Buffer): CommonExtendedNegotiation {
  const fields = new Fields('SOP class common extended negotiation item', value);
  const sopClassUid = uidText(fields.sized());
  const serviceClassUid = uidText(fields.sized());
  const related = new Fields('SOP class common extended negotiation item', fields.sized());
  const relatedGeneralSopClassUids: string[] = [];
  while (!related.isAtEnd()) relatedGeneralSopClassUids.push(uidText(related.sized()));
  return { sopClassUid, serviceClassUid, relatedGeneralSopClassUids };
}

function decodeUserIdentity(value: Buffer): UserIdentity {
  const fields = new Fields('user identity item', value);
  const [type = 0, positive] = fields.take(2);
  return { type, positiveResponse: positive === 1, primary: fields.sized(), secondary: fields.sized() };
}

/** The fields of a sub-item, one after the other. */
class Fields {
  readonly #what: string;
  readonly #value: Buffer;
  #at = 0;

  constructor(what: string, value: Buffer) {
    this.#what = what;
    this.#value = value;
  }

  take(bytes: number): Buffer {
    if (this.#at + bytes > this.#value.length) throw protocolError(`${this.#what} of ${this.#value.length} bytes ends within a field`);
    this.#at += bytes;
    return this.#value.subarray(this.#at - bytes, this.#at);
  }

  /** A field with its length before it. */
  sized(): Buffer {
    return this.take(this.take(2).readUInt16BE(0));
  }

  rest(): Buffer {
    return this.take(this.#value.length - this.#at);
  }

  isAtEnd(): boolean {
    return this.#at === this.#value.length;
  }

  expectEnd(): void {
    if (!this.isAtEnd()) throw protocolError(`${this.#what} of ${this.#value.length} bytes is longer than its fields`);
  }
}

function short(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function sized(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  return Buffer.concat([short(bytes.length), bytes]);
}
