// A-ASSOCIATE-RQ and A-ASSOCIATE-AC: who calls whom, and what is proposed and accepted (PS3.8 9.3.2, 9.3.3, annex D; PS3.7 D.3).
import { protocolError } from './association-error.ts';
import { PDU, PDU_NAME, pdu } from './pdu.ts';
import type { Item } from './pdu-items.ts';
import { decodeItems, item, uidItem, uidOf, uidText } from './pdu-items.ts';
import type { Negotiated } from './user-information.ts';
import { decodeNegotiated, encodeNegotiated, SUB_ITEM } from './user-information.ts';

/** PS3.7 A.2.1: DICOM has one application context. */
export const APPLICATION_CONTEXT = '1.2.840.10008.3.1.1.1';

const ITEM = {
  applicationContext: 0x10,
  proposedContext: 0x20,
  acceptedContext: 0x21,
  abstractSyntax: 0x30,
  transferSyntax: 0x40,
  userInformation: 0x50,
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
export interface AssociateRequest extends AssociateFields, Negotiated {
  protocolVersion: number;
  contexts: ProposedContext[];
}
export interface AssociateAccept extends AssociateFields, Negotiated {
  contexts: AnsweredContext[];
}

/** Protocol version, reserved, called and calling AE title, reserved: bytes before the first item. */
const FIXED_BYTES = 68;

/** @throws {AssociationError} where an item runs past its end or says what cannot be */
export function decodeAssociateRequest(body: Buffer): AssociateRequest {
  const { items, information, ...fields } = decodeFields(PDU_NAME[PDU.associateRq], body);
  const contexts = items.filter(({ type }) => type === ITEM.proposedContext).map(({ value }) => decodeProposed(value));
  if (new Set(contexts.map(({ id }) => id)).size !== contexts.length) throw protocolError('A-ASSOCIATE-RQ proposes a presentation context ID twice');
  return { ...fields, protocolVersion: body.readUInt16BE(0), contexts, ...decodeNegotiated(information) };
}

/** @throws {AssociationError} as for a request */
export function decodeAssociateAccept(body: Buffer): AssociateAccept {
  const { items, information, ...fields } = decodeFields(PDU_NAME[PDU.associateAc], body);
  const contexts = items.filter(({ type }) => type === ITEM.acceptedContext).map(({ value }) => decodeAnswered(value));
  return { ...fields, contexts, ...decodeNegotiated(information) };
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
  return pdu(PDU.associateRq, ...encodeFields(request, contexts));
}

export function encodeAssociateAccept(accept: AssociateAccept): Buffer {
  const contexts = accept.contexts.map(({ id, result, transferSyntax }) =>
    item(ITEM.acceptedContext, Buffer.from([id, 0, result, 0]), uidItem(ITEM.transferSyntax, transferSyntax)),
  );
  return pdu(PDU.associateAc, ...encodeFields(accept, contexts));
}

function encodeFields(fields: AssociateFields & Negotiated, contexts: Buffer[]): Buffer[] {
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
      item(SUB_ITEM.maximumLength, maximum),
      uidItem(SUB_ITEM.implementationClassUid, fields.implementationClassUid),
      ...encodeNegotiated(fields),
      uidItem(SUB_ITEM.implementationVersionName, fields.implementationVersionName),
    ),
  ];
}

function decodeFields(where: string, body: Buffer): AssociateFields & { items: Item[]; information: Item[] } {
  if (body.length < FIXED_BYTES) throw protocolError(`${where} of ${body.length} bytes is shorter than its fixed fields`);
  const items = decodeItems(where, body.subarray(FIXED_BYTES));
  const information = items.filter(({ type }) => type === ITEM.userInformation).flatMap(({ value }) => decodeItems(`${where} user information`, value));
  const maximum = information.find(({ type }) => type === SUB_ITEM.maximumLength)?.value;
  if (maximum && maximum.length !== 4) throw protocolError(`${where}: maximum length item of ${maximum.length} bytes`);
  return {
    calledAe: title(body.subarray(4, 20)),
    callingAe: title(body.subarray(20, 36)),
    applicationContext: uidOf(items, ITEM.applicationContext),
    maxPduBytes: maximum?.readUInt32BE(0) ?? 0,
    implementationClassUid: uidOf(information, SUB_ITEM.implementationClassUid),
    implementationVersionName: uidOf(information, SUB_ITEM.implementationVersionName),
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

/** PS3.8 table 9-11: leading and trailing spaces mean nothing. */
function title(value: Buffer): string {
  return value.toString('latin1').replaceAll('\0', ' ').trim();
}
