// A-ASSOCIATE-RQ and A-ASSOCIATE-AC: who calls whom, and what is proposed and accepted (PS3.8 9.3.2, 9.3.3, annex D; PS3.7 D.3).
import { protocolError } from './association-error.ts';
import { PDU, PDU_NAME, pdu } from './pdu.ts';

/** PS3.7 A.2.1: DICOM has one application context. */
export const APPLICATION_CONTEXT = '1.2.840.10008.3.1.1.1';

const ITEM = {
  applicationContext: 0x10,
  proposedContext: 0x20,
  acceptedContext: 0x21,
  abstractSyntax: 0x30,
  transferSyntax: 0x40,
  userInformation: 0x50,
  maximumLength: 0x51,
  implementationClassUid: 0x52,
  roleSelection: 0x54,
  implementationVersionName: 0x55,
} as const;

export interface ProposedContext {
  /** Odd, 1 to 255. */
  id: number;
  abstractSyntax: string;
  transferSyntaxes: string[];
}

/** Result/Reason of a presentation context (PS3.8 table 9-18). */
export const CONTEXT_RESULT = { accepted: 0, userRejected: 1, noReason: 2, abstractSyntaxNotSupported: 3, transferSyntaxesNotSupported: 4 } as const;

export interface AnsweredContext {
  id: number;
  result: number;
  /** Of meaning where the context was accepted. */
  transferSyntax: string;
}

interface AssociateFields {
  calledAe: string;
  callingAe: string;
  applicationContext: string;
  /** Largest P-DATA-TF body that the sender takes, in bytes; 0: any. */
  maxPduBytes: number;
  implementationClassUid: string;
  implementationVersionName: string;
}
export interface AssociateRequest extends AssociateFields {
  protocolVersion: number;
  contexts: ProposedContext[];
  /** Abstract syntaxes for which the requestor proposed roles (PS3.7 D.3.3.4), and whether it wants to be SCU. */
  roles: { abstractSyntax: string; scu: boolean }[];
}
export interface AssociateAccept extends AssociateFields {
  contexts: AnsweredContext[];
  roles: { abstractSyntax: string; scu: boolean }[];
}

/** Protocol version, reserved, called and calling AE title, reserved: bytes before the first item. */
const FIXED_BYTES = 68;

/** @throws {AssociationError} where an item runs past its end or says what cannot be */
export function decodeAssociateRequest(body: Buffer): AssociateRequest {
  const { items, information, ...fields } = decodeFields(PDU_NAME[PDU.associateRq], body);
  const contexts = items.filter(({ type }) => type === ITEM.proposedContext).map(({ value }) => decodeProposed(value));
  if (new Set(contexts.map(({ id }) => id)).size !== contexts.length) throw protocolError('A-ASSOCIATE-RQ proposes a presentation context ID twice');
  return { ...fields, protocolVersion: body.readUInt16BE(0), contexts, roles: decodeRoles(information) };
}

/** @throws {AssociationError} as for a request */
export function decodeAssociateAccept(body: Buffer): AssociateAccept {
  const { items, information, ...fields } = decodeFields(PDU_NAME[PDU.associateAc], body);
  const contexts = items.filter(({ type }) => type === ITEM.acceptedContext).map(({ value }) => decodeAnswered(value));
  return { ...fields, contexts, roles: decodeRoles(information) };
}

export function encodeAssociateRequest(request: AssociateRequest): Buffer {
  const contexts = request.contexts.map(({ id, abstractSyntax, transferSyntaxes }) =>
    item(
      ITEM.proposedContext,
      Buffer.from([id, 0, 0, 0]),
      uidItem(ITEM.abstractSyntax, abstractSyntax),
      ...transferSyntaxes.map((uid) => uidItem(ITEM.transferSyntax, uid)),
    ),
  );
  return pdu(PDU.associateRq, ...encodeFields(request, contexts, request.roles));
}

export function encodeAssociateAccept(accept: AssociateAccept): Buffer {
  const contexts = accept.contexts.map(({ id, result, transferSyntax }) =>
    item(ITEM.acceptedContext, Buffer.from([id, 0, result, 0]), uidItem(ITEM.transferSyntax, transferSyntax)),
  );
  return pdu(PDU.associateAc, ...encodeFields(accept, contexts, accept.roles));
}

function encodeFields(fields: AssociateFields, contexts: Buffer[], roles: AssociateRequest['roles']): Buffer[] {
  const fixed = Buffer.alloc(FIXED_BYTES);
  fixed.writeUInt16BE(1, 0);
  fixed.write(fields.calledAe.padEnd(16).slice(0, 16), 4, 'latin1');
  fixed.write(fields.callingAe.padEnd(16).slice(0, 16), 20, 'latin1');
  const maximum = Buffer.alloc(4);
  maximum.writeUInt32BE(fields.maxPduBytes);
  return [
    fixed,
    uidItem(ITEM.applicationContext, fields.applicationContext),
    ...contexts,
    item(
      ITEM.userInformation,
      item(ITEM.maximumLength, maximum),
      uidItem(ITEM.implementationClassUid, fields.implementationClassUid),
      ...roles.map(encodeRole),
      uidItem(ITEM.implementationVersionName, fields.implementationVersionName),
    ),
  ];
}

function encodeRole({ abstractSyntax, scu }: { abstractSyntax: string; scu: boolean }): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(abstractSyntax.length);
  return item(ITEM.roleSelection, length, Buffer.from(abstractSyntax, 'latin1'), Buffer.from([scu ? 1 : 0, 0]));
}

function item(type: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const header = Buffer.from([type, 0, 0, 0]);
  header.writeUInt16BE(value.length, 2);
  return Buffer.concat([header, value]);
}

function uidItem(type: number, uid: string): Buffer {
  return item(type, Buffer.from(uid, 'latin1'));
}

interface Item {
  type: number;
  value: Buffer;
}

/** Splits a run of items or sub-items; unknown types are kept, for the caller to pass over (PS3.8 9.3.1). */
function decodeItems(where: string, bytes: Buffer): Item[] {
  const items: Item[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) throw protocolError(`${where} ends within the header of an item`);
    const type = bytes[at]!;
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    if (end > bytes.length) throw protocolError(`${where}: item ${hex(type)} is longer than what holds it`);
    items.push({ type, value: bytes.subarray(at + 4, end) });
    at = end;
  }
  return items;
}

function decodeFields(where: string, body: Buffer): AssociateFields & { items: Item[]; information: Item[] } {
  if (body.length < FIXED_BYTES) throw protocolError(`${where} of ${body.length} bytes is shorter than its fixed fields`);
  const items = decodeItems(where, body.subarray(FIXED_BYTES));
  const information = items.filter(({ type }) => type === ITEM.userInformation).flatMap(({ value }) => decodeItems(`${where} user information`, value));
  const maximum = information.find(({ type }) => type === ITEM.maximumLength)?.value;
  if (maximum && maximum.length !== 4) throw protocolError(`${where}: maximum length item of ${maximum.length} bytes`);
  return {
    calledAe: title(body.subarray(4, 20)),
    callingAe: title(body.subarray(20, 36)),
    applicationContext: uidOf(items, ITEM.applicationContext),
    maxPduBytes: maximum?.readUInt32BE(0) ?? 0,
    implementationClassUid: uidOf(information, ITEM.implementationClassUid),
    implementationVersionName: uidOf(information, ITEM.implementationVersionName),
    items,
    information,
  };
}

function decodeProposed(value: Buffer): ProposedContext {
  if (value.length < 4) throw protocolError('A-ASSOCIATE-RQ has a presentation context item without an ID');
  const id = value[0]!;
  if (id % 2 === 0) throw protocolError(`A-ASSOCIATE-RQ has presentation context ID ${id}, which is even`);
  const items = decodeItems('presentation context item', value.subarray(4));
  const transferSyntaxes = items.filter(({ type }) => type === ITEM.transferSyntax).map((one) => uidText(one.value));
  return { id, abstractSyntax: uidOf(items, ITEM.abstractSyntax), transferSyntaxes };
}

function decodeAnswered(value: Buffer): AnsweredContext {
  if (value.length < 4) throw protocolError('A-ASSOCIATE-AC has a presentation context item without an ID');
  return { id: value[0]!, result: value[2]!, transferSyntax: uidOf(decodeItems('presentation context item', value.subarray(4)), ITEM.transferSyntax) };
}

function decodeRoles(information: Item[]): AssociateRequest['roles'] {
  return information
    .filter(({ type }) => type === ITEM.roleSelection)
    .map(({ value }) => {
      const length = value.length < 2 ? -1 : value.readUInt16BE(0);
      if (value.length !== length + 4) throw protocolError(`role selection item of ${value.length} bytes`);
      return { abstractSyntax: uidText(value.subarray(2, 2 + length)), scu: value[2 + length] === 1 };
    });
}

function uidOf(items: Item[], type: number): string {
  const found = items.find((one) => one.type === type);
  return found ? uidText(found.value) : '';
}

/** Some peers pad these to even length, though PS3.8 annex F says not to. */
function uidText(value: Buffer): string {
  return value.toString('latin1').replace(/[\0 ]+$/, '');
}

/** PS3.8 table 9-11: leading and trailing spaces mean nothing. */
function title(value: Buffer): string {
  return value.toString('latin1').replaceAll('\0', ' ').trim();
}

function hex(type: number): string {
  return `${type.toString(16).toUpperCase().padStart(2, '0')}H`;
}
