// The acceptor's side of association establishment (PS3.8 7.1, 9.2: Sta2 to Sta6 or Sta13): negotiation as data.
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from '../../storage/dicom/write.ts';
import type { AnsweredContext, AssociateRequest, ProposedContext } from './associate-pdu.ts';
import { APPLICATION_CONTEXT, CONTEXT_RESULT, decodeAssociateRequest, encodeAssociateAccept } from './associate-pdu.ts';
import type { PresentationContext } from './association.ts';
import { Association, readPduHeader } from './association.ts';
import type { Rejection } from './pdu.ts';
import { encodeRejection, REJECTION } from './pdu.ts';
import type { AsyncOperations, ExtendedNegotiation, Role } from './user-information.ts';
import type { Wire } from './wire.ts';

/** PS3.8 9.1.4, the ARTIM timer: a connection has this long to say who it is. */
const ARTIM_MS = 30_000;
/** How long a rejected peer gets to read why. */
const LINGER_MS = 2000;

export interface Refusal {
  rejection: Rejection;
  why: string;
}

export interface Negotiation {
  /** Why the caller is not welcome, or undefined. */
  admit(request: AssociateRequest): Refusal | undefined | Promise<Refusal | undefined>;
  /** What is taken of each abstract syntax: transfer syntaxes, or undefined where it is not supported at all. */
  transferSyntaxesOf(abstractSyntax: string): ReadonlySet<string> | undefined;
  /** Transfer syntaxes in which we can send anything of this SOP class to a requestor that is its SCP; undefined or left out: we are no SCU of it. */
  sentSyntaxesOf?(abstractSyntax: string): ReadonlySet<string> | undefined;
  /** What we answer to a SOP Class Extended Negotiation of a SOP class that was accepted; undefined: nothing. */
  extended?(proposed: ExtendedNegotiation): Buffer | undefined;
  /** Whether the requestor's User Identity was verified, and so is answered where it asked for that. */
  verified?(request: AssociateRequest): boolean;
  /** Operations that we take from the requestor before the first is answered. */
  maxOperations?: number;
  /** Largest P-DATA-TF body that we take. */
  maxPduBytes: number;
}

export type Establishment =
  | { outcome: 'accepted'; request: AssociateRequest; association: Association; refused: ProposedContext[] }
  | { outcome: 'rejected'; request: AssociateRequest; why: string };

/**
 * Waits for an A-ASSOCIATE-RQ and answers it. A rejected connection is closed when this returns.
 * @throws {AssociationError} where something else came; the caller then aborts the connection
 */
export async function acceptAssociation(wire: Wire, negotiation: Negotiation, artimMs = ARTIM_MS): Promise<Establishment> {
  wire.limitTotal(artimMs);
  const { length } = await readPduHeader(wire, 'awaiting request', negotiation.maxPduBytes);
  const request = decodeAssociateRequest(await wire.take(length));
  wire.limitTotal(Infinity);

  const refusal = unsupported(request) ?? (await negotiation.admit(request));
  if (refusal) {
    await wire.write(encodeRejection(refusal.rejection));
    await wire.close(LINGER_MS);
    return { outcome: 'rejected', request, why: refusal.why };
  }

  const roles = request.roles.map((role) => takenRole(role, negotiation));
  const answers = request.contexts.map((context) => answer(context, roles, negotiation));
  const accepted = answers.flatMap(({ id, result, transferSyntax }, index): PresentationContext[] =>
    result === CONTEXT_RESULT.accepted ? [{ id, abstractSyntax: request.contexts[index]!.abstractSyntax, transferSyntax }] : [],
  );
  const extended = (request.extended ?? []).flatMap((proposed) => {
    const information = accepted.some(({ abstractSyntax }) => abstractSyntax === proposed.sopClassUid) ? negotiation.extended?.(proposed) : undefined;
    return information ? [{ ...proposed, information }] : [];
  });
  const operations = request.asyncOperations && takenOperations(request.asyncOperations, negotiation.maxOperations ?? 1);
  const accept = encodeAssociateAccept({
    calledAe: request.calledAe,
    callingAe: request.callingAe,
    applicationContext: APPLICATION_CONTEXT,
    maxPduBytes: negotiation.maxPduBytes,
    implementationClassUid: IMPLEMENTATION_CLASS_UID,
    implementationVersionName: IMPLEMENTATION_VERSION_NAME,
    contexts: answers,
    roles,
    extended,
    ...(operations && { asyncOperations: operations }),
    // Of user name, passcode and token, which are all that we verify, the answer is empty (PS3.7 D.3.3.7.2).
    ...(request.userIdentity?.positiveResponse && negotiation.verified?.(request) && { userIdentityResponse: Buffer.alloc(0) }),
  });
  const agreement = {
    roles: new Map(roles.map((role) => [role.abstractSyntax, role])),
    extended: new Map(extended.map(({ sopClassUid, information }) => [sopClassUid, information])),
  };
  await wire.write(accept);
  return {
    outcome: 'accepted',
    request,
    association: new Association(wire, accepted, negotiation.maxPduBytes, request.maxPduBytes, agreement),
    refused: request.contexts.filter((_, index) => answers[index]!.result !== CONTEXT_RESULT.accepted),
  };
}

function unsupported(request: AssociateRequest): Refusal | undefined {
  if ((request.protocolVersion & 1) === 0)
    return { rejection: REJECTION.protocolVersionNotSupported, why: `protocol version ${request.protocolVersion} is not supported` };
  if (request.applicationContext !== APPLICATION_CONTEXT)
    return { rejection: REJECTION.applicationContextNotSupported, why: `application context "${request.applicationContext}" is not DICOM's` };
  return undefined;
}

/** No role is taken that was not proposed, or that we have not the other side of (PS3.7 D.3.3.4). */
function takenRole({ abstractSyntax, scu, scp }: Role, negotiation: Negotiation): Role {
  return { abstractSyntax, scu: scu && negotiation.transferSyntaxesOf(abstractSyntax) !== undefined, scp: scp && negotiation.sentSyntaxesOf?.(abstractSyntax) !== undefined };
}

/** We perform what comes in its order, and never have more than one operation of our own outstanding. */
function takenOperations({ invoked }: AsyncOperations, most: number): AsyncOperations {
  return { invoked: invoked === 0 ? most : Math.min(invoked, most), performed: 1 };
}

/**
 * Of a SOP class that we receive, the first transfer syntax proposed that we know: the requestor put first what it has, and so sends
 * the bytes as they are. Of one that we send (C-GET), the first in which everything can go, whatever it is stored in.
 */
function answer({ id, abstractSyntax, transferSyntaxes }: ProposedContext, roles: Role[], negotiation: Negotiation): AnsweredContext {
  const known = negotiation.transferSyntaxesOf(abstractSyntax);
  const isSent = roles.some((role) => role.abstractSyntax === abstractSyntax && role.scp);
  const sent = isSent ? negotiation.sentSyntaxesOf?.(abstractSyntax) : undefined;
  const transferSyntax = transferSyntaxes.find((uid) => sent?.has(uid)) ?? transferSyntaxes.find((uid) => known?.has(uid));
  if (transferSyntax !== undefined) return { id, result: CONTEXT_RESULT.accepted, transferSyntax };
  const result = known ? CONTEXT_RESULT.transferSyntaxesNotSupported : CONTEXT_RESULT.abstractSyntaxNotSupported;
  return { id, result, transferSyntax: transferSyntaxes[0] ?? '' };
}
