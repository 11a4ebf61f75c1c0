// The PDUs of the upper layer but for A-ASSOCIATE-RQ and -AC (PS3.8 9.3.4 to 9.3.8); all numbers are big endian.
import { protocolError } from './association-error.ts';

export const PDU = { associateRq: 1, associateAc: 2, associateRj: 3, data: 4, releaseRq: 5, releaseRp: 6, abort: 7 } as const;
export type PduType = (typeof PDU)[keyof typeof PDU];

export const PDU_NAME: Record<PduType, string> = {
  1: 'A-ASSOCIATE-RQ',
  2: 'A-ASSOCIATE-AC',
  3: 'A-ASSOCIATE-RJ',
  4: 'P-DATA-TF',
  5: 'A-RELEASE-RQ',
  6: 'A-RELEASE-RP',
  7: 'A-ABORT',
};

/** Type (1), reserved (1), length of what follows (4). */
export const PDU_HEADER_BYTES = 6;
/** PDV item: length (4), presentation context (1), message control header (1). */
export const PDV_HEADER_BYTES = 6;

export function isPduType(type: number): type is PduType {
  return type in PDU_NAME;
}

/** A PDU whose body is `parts` one after the other. */
export function pdu(type: PduType, ...parts: Buffer[]): Buffer {
  const header = Buffer.alloc(PDU_HEADER_BYTES);
  header[0] = type;
  header.writeUInt32BE(
    parts.reduce((sum, part) => sum + part.length, 0),
    2,
  );
  return Buffer.concat([header, ...parts]);
}

/** A-ASSOCIATE-RJ: result, source and reason (PS3.8 table 9-21). */
export interface Rejection {
  result: 1 | 2;
  source: 1 | 2 | 3;
  reason: number;
}

export const REJECTION = {
  /** User Identity (PS3.7 D.3.3.7) has no reason of its own. */
  userNotVerified: { result: 1, source: 1, reason: 1 },
  applicationContextNotSupported: { result: 1, source: 1, reason: 2 },
  callingAeNotRecognized: { result: 1, source: 1, reason: 3 },
  calledAeNotRecognized: { result: 1, source: 1, reason: 7 },
  protocolVersionNotSupported: { result: 1, source: 2, reason: 2 },
  temporaryCongestion: { result: 2, source: 3, reason: 1 },
  localLimitExceeded: { result: 2, source: 3, reason: 2 },
} as const satisfies Record<string, Rejection>;

export function encodeRejection({ result, source, reason }: Rejection): Buffer {
  return pdu(PDU.associateRj, Buffer.from([0, result, source, reason]));
}

/** What an A-ASSOCIATE-RJ says, in the words of PS3.8 table 9-21. */
export function describeRejection(body: Buffer): string {
  const [, result = 0, source = 0, reason = 0] = body;
  const how = result === 1 ? 'permanently' : result === 2 ? 'transiently' : `with result ${result}`;
  const who = REJECTION_SOURCES[source];
  return `association rejected ${how} by the ${who?.name ?? `source ${source}`}: ${who?.reasons[reason] ?? `reason ${reason}`}`;
}

const REJECTION_SOURCES: Record<number, { name: string; reasons: Record<number, string> }> = {
  1: {
    name: 'service user',
    reasons: {
      1: 'no reason given',
      2: 'application context name not supported',
      3: 'calling AE title not recognized',
      7: 'called AE title not recognized',
    },
  },
  2: { name: 'service provider (ACSE)', reasons: { 1: 'no reason given', 2: 'protocol version not supported' } },
  3: { name: 'service provider (presentation)', reasons: { 1: 'temporary congestion', 2: 'local limit exceeded' } },
};

export const RELEASE_RQ = pdu(PDU.releaseRq, Buffer.alloc(4));
export const RELEASE_RP = pdu(PDU.releaseRp, Buffer.alloc(4));

/** @param source 0: service user (we want to stop), 2: service provider (the peer did wrong) */
export function encodeAbort(source: 0 | 2, reason: number): Buffer {
  return pdu(PDU.abort, Buffer.from([0, 0, source, reason]));
}

const ABORT_REASONS: Record<number, string> = {
  0: 'reason not specified',
  1: 'unrecognized PDU',
  2: 'unexpected PDU',
  4: 'unrecognized PDU parameter',
  5: 'unexpected PDU parameter',
  6: 'invalid PDU parameter value',
};

/** What an A-ABORT says, in the words of PS3.8 table 9-26. */
export function describeAbort(body: Buffer): string {
  const [, , source = 0, reason = 0] = body;
  return source === 2 ? `service provider: ${ABORT_REASONS[reason] ?? `reason ${reason}`}` : 'service user';
}

/** Header of one PDV item (PS3.8 9.3.5.1, message control header annex E.2). */
export interface PdvHeader {
  contextId: number;
  isCommand: boolean;
  isLast: boolean;
  /** Bytes of the fragment. */
  length: number;
}

/**
 * @param header the six bytes of a PDV item's header
 * @param room bytes of the PDU from the start of this item
 * @throws {AssociationError} where the item is longer than its PDU
 */
export function decodePdvHeader(header: Buffer, room: number): PdvHeader {
  const length = header.readUInt32BE(0);
  if (length < 2 || length + 4 > room) throw protocolError(`a PDV item of ${length} bytes does not fit its P-DATA-TF (${room} bytes left)`);
  const control = header[5]!;
  return { contextId: header[4]!, isCommand: (control & 1) === 1, isLast: (control & 2) === 2, length: length - 2 };
}

/** The headers of a P-DATA-TF with one PDV item, to be followed by `length` bytes. */
export function encodeDataHeader({ contextId, isCommand, isLast, length }: PdvHeader): Buffer {
  const header = Buffer.alloc(PDU_HEADER_BYTES + PDV_HEADER_BYTES);
  header[0] = PDU.data;
  header.writeUInt32BE(PDV_HEADER_BYTES + length, 2);
  header.writeUInt32BE(2 + length, PDU_HEADER_BYTES);
  header[10] = contextId;
  header[11] = (isCommand ? 1 : 0) | (isLast ? 2 : 0);
  return header;
}
