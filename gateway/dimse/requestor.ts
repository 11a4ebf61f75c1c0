// The requestor's side of association establishment (PS3.8 7.1, 9.2: Sta1 to Sta6), with a limit on every wait.
import { connect, type Socket } from 'node:net';
import type { Peer } from '../../config/settings.ts';
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from '../../storage/dicom/write.ts';
import { APPLICATION_CONTEXT, CONTEXT_RESULT, decodeAssociateAccept, encodeAssociateRequest } from './associate-pdu.ts';
import type { AssociateAccept, ProposedContext } from './associate-pdu.ts';
import { AssociationError, protocolError } from './association-error.ts';
import type { PresentationContext } from './association.ts';
import { abortConnection, Association, readPduHeader } from './association.ts';
import { describeRejection, PDU } from './pdu.ts';
import { ourIdentity } from './user-identity.ts';
import type { ExtendedNegotiation, Role } from './user-information.ts';
import { Wire } from './wire.ts';

export interface RemoteAe {
  host: string;
  port: number;
  /** Theirs. */
  calledAe: string;
  /** Ours. */
  callingAe: string;
  /** As whom we call it (PS3.7 D.3.3.7), where the settings want that. */
  user?: Peer['sendUser'] | undefined;
}

export interface AssociationRequest {
  remote: RemoteAe;
  /** At most 128; the acceptor takes one transfer syntax of each. */
  contexts: { abstractSyntax: string; transferSyntaxes: string[] }[];
  maxPduBytes: number;
  /** For the connection, and then for every silence on the wire. */
  timeoutMs: number;
  /** Aborts the association, now or later. */
  signal?: AbortSignal;
  /** Ours for a SOP class, where it is not SCU alone: SCP of storage for C-GET. */
  roles?: readonly Role[];
  /** What came of it is in `association.agreement.extended`. */
  extended?: readonly ExtendedNegotiation[];
}

/** @throws {AssociationError} unreachable, rejected (with the peer's reason), aborted, closed, timeout, protocol, cancelled */
export async function requestAssociation(request: AssociationRequest): Promise<Association> {
  const { remote, contexts, timeoutMs, signal } = request;
  if (contexts.length > 128) throw new RangeError(`an association has room for 128 presentation contexts, not ${contexts.length}`);
  const socket = await open(remote, timeoutMs, signal);
  const wire = new Wire(socket, timeoutMs);
  const cancel = (): void => wire.fail(cancelled(signal));
  signal?.addEventListener('abort', cancel);
  socket.once('close', () => signal?.removeEventListener('abort', cancel));
  try {
    return await negotiate(wire, request);
  } catch (error) {
    await abortConnection(wire, error);
    throw error;
  }
}

function numbered(contexts: AssociationRequest['contexts']): ProposedContext[] {
  return contexts.map((context, index) => ({ id: 2 * index + 1, ...context }));
}

async function negotiate(wire: Wire, { remote, contexts: wanted, maxPduBytes, roles = [], extended = [] }: AssociationRequest): Promise<Association> {
  const { user, ...titles } = remote;
  const contexts = numbered(wanted);
  const request = {
    ...titles,
    protocolVersion: 1,
    applicationContext: APPLICATION_CONTEXT,
    maxPduBytes,
    implementationClassUid: IMPLEMENTATION_CLASS_UID,
    implementationVersionName: IMPLEMENTATION_VERSION_NAME,
    contexts,
    roles: [...roles],
    extended: [...extended],
    ...(user && { userIdentity: await ourIdentity(user) }),
  };
  await wire.write(encodeAssociateRequest(request));
  const { type, length } = await readPduHeader(wire, 'awaiting reply', maxPduBytes);
  const body = await wire.take(length);
  if (type === PDU.associateRj) throw new AssociationError('rejected', describeRejection(body));
  const accept = decodeAssociateAccept(body);
  const agreement = {
    roles: new Map(accept.roles.map((role) => [role.abstractSyntax, role])),
    extended: new Map((accept.extended ?? []).map(({ sopClassUid, information }) => [sopClassUid, information])),
  };
  return new Association(wire, acceptedOf(contexts, accept), maxPduBytes, accept.maxPduBytes, agreement);
}

function acceptedOf(contexts: ProposedContext[], accept: AssociateAccept): PresentationContext[] {
  return accept.contexts.flatMap(({ id, result, transferSyntax }): PresentationContext[] => {
    const proposed = contexts.find((context) => context.id === id);
    if (!proposed) throw protocolError(`A-ASSOCIATE-AC answers presentation context ${id}, which was not proposed`);
    if (result !== CONTEXT_RESULT.accepted) return [];
    if (!proposed.transferSyntaxes.includes(transferSyntax))
      throw protocolError(`A-ASSOCIATE-AC takes transfer syntax ${transferSyntax} for context ${id}, which was not proposed`);
    return [{ id, abstractSyntax: proposed.abstractSyntax, transferSyntax }];
  });
}

function open({ host, port }: RemoteAe, timeoutMs: number, signal: AbortSignal | undefined): Promise<Socket> {
  if (signal?.aborted) return Promise.reject(cancelled(signal));
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, keepAlive: true });
    const settle = (error?: AssociationError): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      if (!error) return resolve(socket);
      socket.on('error', () => {}); // the connection is given up; why is in `error`
      socket.destroy();
      reject(error);
    };
    const onError = (error: Error): void => settle(new AssociationError('unreachable', `cannot connect to ${host}:${port}: ${error.message || error.name}`, 0, { cause: error }));
    const onAbort = (): void => settle(cancelled(signal));
    const timer = setTimeout(() => settle(new AssociationError('unreachable', `no connection to ${host}:${port} within ${timeoutMs / 1000} s`)), timeoutMs);
    socket.once('error', onError);
    socket.once('connect', () => settle());
    signal?.addEventListener('abort', onAbort);
  });
}

function cancelled(signal: AbortSignal | undefined): AssociationError {
  return new AssociationError('cancelled', 'told to stop', 0, { cause: signal?.reason });
}
