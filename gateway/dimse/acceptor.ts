// The acceptor's side of association establishment (PS3.8 7.1, 9.2: Sta2 to Sta6 or Sta13): negotiation as data.
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from '../../storage/dicom/write.ts';
import type { AnsweredContext, AssociateRequest, ProposedContext } from './associate-pdu.ts';
import { APPLICATION_CONTEXT, CONTEXT_RESULT, decodeAssociateRequest, encodeAssociateAccept } from './associate-pdu.ts';
import type { PresentationContext } from './association.ts';
import { Association, readPduHeader } from './association.ts';
import type { Rejection } from './pdu.ts';
import { encodeRejection, REJECTION } from './pdu.ts';
import type { Wire } from './wire.ts';

/** PS3.8 9.1.4, the ARTIM timer: a connection has this long to say who it is. */
const ARTIM_MS = 30_000;
/** How long a rejected peer gets to read why. */
const LINGER_MS = 2000;

export interface Negotiation {
  /** Why the caller is not welcome, or undefined. */
  admit(request: AssociateRequest): { rejection: Rejection; why: string } | undefined;
  /** What is taken of each abstract syntax: transfer syntaxes, or undefined where it is not supported at all. */
  transferSyntaxesOf(abstractSyntax: string): ReadonlySet<string> | undefined;
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

  const refusal = unsupported(request) ?? negotiation.admit(request);
  if (refusal) {
    await wire.write(encodeRejection(refusal.rejection));
    await wire.close(LINGER_MS);
    return { outcome: 'rejected', request, why: refusal.why };
  }

  const answers = request.contexts.map((context) => answer(context, negotiation));
  const accepted = answers.flatMap(({ id, result, transferSyntax }, index): PresentationContext[] =>
    result === CONTEXT_RESULT.accepted ? [{ id, abstractSyntax: request.contexts[index]!.abstractSyntax, transferSyntax }] : [],
  );
  const accept = encodeAssociateAccept({
    calledAe: request.calledAe,
    callingAe: request.callingAe,
    applicationContext: APPLICATION_CONTEXT,
    maxPduBytes: negotiation.maxPduBytes,
    implementationClassUid: IMPLEMENTATION_CLASS_UID,
    implementationVersionName: IMPLEMENTATION_VERSION_NAME,
    contexts: answers,
    // We are SCP of everything that we accept, so the requestor is SCU, and never SCP (PS3.7 D.3.3.4).
    roles: request.roles,
  });
  await wire.write(accept);
  return {
    outcome: 'accepted',
    request,
    association: new Association(wire, accepted, negotiation.maxPduBytes, request.maxPduBytes),
    refused: request.contexts.filter((_, index) => answers[index]!.result !== CONTEXT_RESULT.accepted),
  };
}

function unsupported(request: AssociateRequest): { rejection: Rejection; why: string } | undefined {
  if ((request.protocolVersion & 1) === 0)
    return { rejection: REJECTION.protocolVersionNotSupported, why: `protocol version ${request.protocolVersion} is not supported` };
  if (request.applicationContext !== APPLICATION_CONTEXT)
    return { rejection: REJECTION.applicationContextNotSupported, why: `application context "${request.applicationContext}" is not DICOM's` };
  return undefined;
}

/** The first transfer syntax proposed that we know: the requestor put first what it has, and so sends the bytes as they are. */
function answer({ id, abstractSyntax, transferSyntaxes }: ProposedContext, negotiation: Negotiation): AnsweredContext {
  const known = negotiation.transferSyntaxesOf(abstractSyntax);
  const transferSyntax = transferSyntaxes.find((uid) => known?.has(uid));
  if (transferSyntax !== undefined) return { id, result: CONTEXT_RESULT.accepted, transferSyntax };
  const result = known ? CONTEXT_RESULT.transferSyntaxesNotSupported : CONTEXT_RESULT.abstractSyntaxNotSupported;
  return { id, result, transferSyntax: transferSyntaxes[0] ?? '' };
}
