// What the reply to a STOW-RS of one instance means for that instance (PS3.18 10.5.3, tables 10.5.3-1 and I.1-1, I.2-2).
import { z } from 'zod';
import { DestinationUnavailable } from '../../../storage/errors.ts';
import { describeStatus } from '../../dimse/status.ts';
import type { SendOutcome } from './destination.ts';

export interface StowReply {
  statusCode: number;
  contentType: string;
  location: string;
  body: string;
}

const FAILED_SOP_SEQUENCE = '00081198';
const REFERENCED_SOP_SEQUENCE = '00081199';
const REFERENCED_SOP_INSTANCE_UID = '00081155';
const WARNING_REASON = '00081196';
const FAILURE_REASON = '00081197';
const ERROR_COMMENT = '00000902';

const item = z.record(z.string(), z.looseObject({ Value: z.array(z.unknown()).optional() }));
const sequence = z.looseObject({ Value: z.array(item).default([]) }).optional();
const storeResponse = z.looseObject({ [FAILED_SOP_SEQUENCE]: sequence, [REFERENCED_SOP_SEQUENCE]: sequence });

/** Failure Reason values of PS3.18 I.2.2 that DIMSE does not have. */
const DICOMWEB_REASONS: Record<number, string> = {
  0xa700: 'out of resources',
  0xa770: 'the instance is of another study',
  0xa900: 'dataset does not match SOP class',
  0xc122: 'transfer syntax not supported',
};
/** PS3.7's duplicate: our UIDs never have two contents, so the server has what we sent. */
const DUPLICATE_SOP_INSTANCE = 0x0111;

/** Failures that say something about the server or our account there, not about the instance: everything waits. */
const WHOLE_DESTINATION: Record<number, string> = {
  401: 'it wants other credentials',
  403: 'it forbids us to store',
  404: 'there is no STOW-RS service at this address',
  405: 'there is no STOW-RS service at this address',
  407: 'a proxy wants credentials',
  408: 'the server waited too long for us',
  429: 'too many requests',
  502: 'bad gateway',
  503: 'the service is unavailable',
  504: 'gateway timeout',
};

/** The request or the instance as such is not acceptable; the bytes never change. */
const PERMANENT = new Set([400, 413, 415, 422]);

/** @throws {DestinationUnavailable} where the reply is about the destination, not about the instance */
export function outcomeOf(reply: StowReply, sopInstanceUid: string, url: string): SendOutcome {
  const { statusCode, location } = reply;
  const whole = WHOLE_DESTINATION[statusCode];
  if (whole) throw new DestinationUnavailable(`${url} answered ${statusCode}: ${whole}`);
  if (statusCode >= 300 && statusCode < 400) throw new DestinationUnavailable(`${url} answered ${statusCode}: it has moved to ${location || 'elsewhere'}`);

  const { failed, stored } = instancesIn(reply, sopInstanceUid);
  const delivered = (detail?: string): SendOutcome => ({ status: 'delivered', sopInstanceUid, deliveredSopInstanceUid: sopInstanceUid, ...(detail && { detail }) });
  const refused = (detail: string, permanent: boolean): SendOutcome => ({ status: 'refused', sopInstanceUid, detail: `${statusCode}, ${detail}`, permanent });

  if (failed) {
    const reason = numberIn(failed, FAILURE_REASON);
    if (reason === DUPLICATE_SOP_INSTANCE) return delivered(describeStatus(reason));
    const words = reason === undefined ? 'no Failure Reason' : `Failure Reason ${describeReason(reason)}`;
    const comment = failed[ERROR_COMMENT]?.Value?.[0];
    return refused(typeof comment === 'string' ? `${words}: ${comment}` : words, reason !== undefined && (reason & 0xff00) === 0xa900);
  }
  if (stored) {
    const warning = numberIn(stored, WARNING_REASON);
    return delivered(warning ? `Warning Reason ${describeStatus(warning)}` : undefined);
  }
  // No word about the instance. 200 says that all are stored; 202 that some may not be.
  if (statusCode === 200 || statusCode === 201 || statusCode === 204) return delivered();
  return refused(`without a word about the instance${excerpt(reply)}`, PERMANENT.has(statusCode));
}

type Item = z.infer<typeof item>;

function instancesIn({ body }: StowReply, sopInstanceUid: string): { failed?: Item | undefined; stored?: Item | undefined } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return {}; // XML, HTML or nothing: then the status code speaks
  }
  const response = storeResponse.safeParse(Array.isArray(parsed) ? parsed[0] : parsed);
  if (!response.success) return {};
  const find = (tag: typeof FAILED_SOP_SEQUENCE | typeof REFERENCED_SOP_SEQUENCE): Item | undefined =>
    response.data[tag]?.Value.find((one) => one[REFERENCED_SOP_INSTANCE_UID]?.Value?.[0] === sopInstanceUid);
  return { failed: find(FAILED_SOP_SEQUENCE), stored: find(REFERENCED_SOP_SEQUENCE) };
}

function numberIn(one: Item, tag: string): number | undefined {
  const value = one[tag]?.Value?.[0];
  return value === undefined || value === null || Number.isNaN(Number(value)) ? undefined : Number(value);
}

function describeReason(reason: number): string {
  const words = DICOMWEB_REASONS[reason];
  return words ? `${reason.toString(16).toUpperCase()} ${words}` : describeStatus(reason);
}

/** The first words of a reply in plain text, which often say more than its status. */
function excerpt({ contentType, body }: StowReply): string {
  if (!/^(text\/plain|application\/(problem\+)?json)/.test(contentType)) return '';
  const words = body.replaceAll(/\s+/g, ' ').trim().slice(0, 200);
  return words ? `: ${words}` : '';
}
