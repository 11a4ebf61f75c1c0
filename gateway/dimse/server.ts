// The DIMSE server: listens, establishes associations within the limits, and hands what they ask for to the services until they end.
import { randomUUID } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { Logger } from 'pino';
import type { Settings } from '../../config/settings.ts';
import { acceptAssociation } from './acceptor.ts';
import { AssociationError } from './association-error.ts';
import { associationPolicy, peerFinder, plainAddress } from './association-policy.ts';
import { abortConnection } from './association.ts';
import { RESPONSE_BIT } from './command.ts';
import type { Operation } from './operations.ts';
import { MAX_OPERATIONS, Operations } from './operations.ts';
import { REJECTION } from './pdu.ts';
import type { DimseService, ResponseFields, ServiceCall } from './service.ts';
import { commandName, OperationEnded, refuseCommand, refuseUnauthorized } from './service.ts';
import type { InstanceReceiver } from './storage-scp.ts';
import { isPending } from './status.ts';
import { storageService } from './storage-service.ts';
import { identityProblem, userName } from './user-identity.ts';
import { verificationService } from './verification-scp.ts';
import { Wire } from './wire.ts';

export interface DimseMetrics {
  association(outcome: 'accepted' | 'rejected' | 'released' | 'broken'): void;
  /** One C-STORE answered; `status` as in PS3.7. */
  stored(status: number, bytes: number, milliseconds: number): void;
  /** Any other request answered for the last time: C-FIND and so on. */
  performed?(command: string, status: number, milliseconds: number): void;
}

export interface DimseServerOptions {
  settings: Settings;
  receiver: InstanceReceiver;
  /** Beside Verification and Storage. */
  services?: readonly DimseService[];
  log: Logger;
  metrics?: DimseMetrics;
}

export interface DimseServer {
  readonly port: number;
  /** Associations open now. */
  associations(): number;
  /** New settings for the associations that open from now on; host and port stay. */
  configure(settings: Settings): void;
  /** Accepts nothing new, finishes the instances that are being sent, then ends every association. */
  drain(): Promise<void>;
}

/** While draining, how long a peer that has its last answer gets to release the association by itself. */
const RELEASE_GRACE_MS = 500;
/** Connections that may stand beside the associations allowed: to be told that there are too many, or still without a request. */
const SPARE_CONNECTIONS = 64;

interface Connection {
  wire: Wire;
  /** Counts as an association from the moment that we let it in. */
  admitted: boolean;
  /** Once the association is open. */
  operations?: Operations;
}

/** @throws the error of `listen` (EADDRINUSE, EACCES) */
export async function startDimseServer({ settings: initial, receiver, services: more = [], log, metrics }: DimseServerOptions): Promise<DimseServer> {
  const services = [verificationService, storageService(receiver, metrics?.stored.bind(metrics)), ...more];
  const serviceOf = new Map(services.flatMap((service) => [...service.sopClasses.keys()].map((uid) => [uid, service])));
  const sentSyntaxesOf = new Map(services.flatMap(({ sends }) => [...(sends ?? [])]));
  let settings = initial;
  let policy = associationPolicy(initial);
  let peerOf = peerFinder(initial);
  let draining = false;
  const connections = new Map<Connection, Promise<void>>();
  const open = (): number => [...connections.keys()].filter(({ admitted }) => admitted).length;

  const server = createServer({ noDelay: true, keepAlive: true, highWaterMark: 256 * 1024 }, (socket) => {
    const connection: Connection = { wire: new Wire(socket, settings.limits.associationIdleSeconds * 1000), admitted: false };
    const served = serve(connection, socket).finally(() => connections.delete(connection));
    connections.set(connection, served);
  });
  server.maxConnections = settings.limits.associations + SPARE_CONNECTIONS;
  server.on('drop', (drop) => log.warn({ address: drop?.remoteAddress, connections: connections.size }, 'connection dropped: too many'));

  async function serve(connection: Connection, socket: Socket): Promise<void> {
    const address = plainAddress(socket.remoteAddress ?? '');
    const associationId = randomUUID();
    let lines = log.child({ association: associationId, address });
    const { wire } = connection;
    try {
      const established = await acceptAssociation(wire, {
        maxPduBytes: settings.limits.pduBytes,
        transferSyntaxesOf: (uid) => serviceOf.get(uid)?.sopClasses.get(uid),
        sentSyntaxesOf: (uid) => sentSyntaxesOf.get(uid),
        extended: (proposed) => serviceOf.get(proposed.sopClassUid)?.extended?.(proposed),
        verified: (request) => peerOf({ ...request, address })?.requireUser !== undefined,
        maxOperations: MAX_OPERATIONS,
        async admit({ calledAe, callingAe, userIdentity }) {
          lines = lines.child({ callingAe });
          const unwelcome = policy({ calledAe, callingAe, address });
          if (unwelcome) return unwelcome;
          const peer = peerOf({ callingAe, address });
          const stranger = peer && (await identityProblem(peer, userIdentity));
          if (stranger !== undefined) return { rejection: REJECTION.userNotVerified, why: stranger };
          if (draining) return { rejection: REJECTION.temporaryCongestion, why: 'the gateway is stopping' };
          if (open() >= settings.limits.associations)
            return { rejection: REJECTION.localLimitExceeded, why: `${settings.limits.associations} associations are open, as many as the limit` };
          connection.admitted = true;
          return undefined;
        },
      });
      if (established.outcome === 'rejected') {
        metrics?.association('rejected');
        lines.warn({ reason: established.why }, 'association rejected');
        return;
      }
      const { association, request, refused: refusedContexts } = established;
      const operations = new Operations(association, settings.limits.associationIdleSeconds * 1000);
      connection.operations = operations;
      metrics?.association('accepted');
      lines.info({ contexts: association.contexts.size, implementation: request.implementationVersionName }, 'association accepted');
      if (refusedContexts.length > 0)
        lines.warn({ abstractSyntaxes: [...new Set(refusedContexts.map(({ abstractSyntax }) => abstractSyntax))] }, 'presentation contexts refused');
      const caller = { transport: 'dimse' as const, callingAe: request.callingAe, calledAe: request.calledAe, address, associationId, user: userName(request.userIdentity) };
      if (draining) wire.limitTotal(RELEASE_GRACE_MS);
      await operations.run(async (operation) => {
        if (draining) throw new AssociationError('cancelled', 'the gateway is stopping');
        const call = callOf(operation, operations, { association, caller, log: lines }, metrics);
        const service = serviceOf.get(operation.message.context.abstractSyntax);
        if (!service) await refuseCommand(call);
        else if (service.permission && peerOf(caller)?.allow.includes(service.permission) === false) await refuseUnauthorized(call);
        else await service.handle(call);
        if (draining) wire.limitTotal(RELEASE_GRACE_MS);
      });
      connection.admitted = false;
      metrics?.association('released');
      lines.info('association released');
      await association.close();
    } catch (error) {
      const established = connection.operations !== undefined;
      connection.admitted = false;
      if (established) metrics?.association('broken');
      logEnd(lines, error, established, draining);
      await abortConnection(wire, error);
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(settings.dimse.port, settings.dimse.host, () => resolve());
  });

  server.on('error', (error) => log.error({ err: error }, 'the DIMSE server cannot accept a connection'));

  return {
    port: (server.address() as AddressInfo).port,
    associations: open,
    configure(changed) {
      settings = changed;
      policy = associationPolicy(changed);
      peerOf = peerFinder(changed);
      server.maxConnections = changed.limits.associations + SPARE_CONNECTIONS;
    },
    async drain() {
      draining = true;
      server.close();
      // Each association ends by itself after the instance that it is in; a silent one when its grace is over.
      for (const { wire, operations } of connections.keys()) {
        if (!operations) wire.fail(new AssociationError('cancelled', 'the gateway is stopping'));
        else if (operations.isIdle) wire.limitTotal(RELEASE_GRACE_MS);
        else operations.end(new OperationEnded('stopping'));
      }
      const late = setTimeout(() => {
        for (const { wire } of connections.keys()) wire.fail(new AssociationError('cancelled', 'the gateway stopped before the instance was whole'));
      }, settings.limits.drainSeconds * 1000);
      await Promise.all(connections.values());
      clearTimeout(late);
    },
  };
}

function callOf({ message, signal }: Operation, operations: Operations, shared: Pick<ServiceCall, 'association' | 'caller' | 'log'>, metrics: DimseMetrics | undefined): ServiceCall {
  const started = performance.now();
  const { context, command } = message;
  const sopInstanceUid = command.affectedSopInstanceUid ?? command.requestedSopInstanceUid;
  return {
    ...shared,
    message,
    signal,
    invoke: (contextId, request, dataset) => operations.invoke(contextId, request, dataset),
    async respond(fields: ResponseFields, dataset) {
      await shared.association.send(
        context.id,
        {
          affectedSopClassUid: command.affectedSopClassUid ?? command.requestedSopClassUid ?? context.abstractSyntax,
          ...(sopInstanceUid !== undefined && { affectedSopInstanceUid: sopInstanceUid }),
          ...fields,
          commandField: command.commandField | RESPONSE_BIT,
          messageIdBeingRespondedTo: command.messageId ?? 0,
          hasDataset: dataset !== undefined,
        },
        dataset,
      );
      if (!isPending(fields.status)) metrics?.performed?.(commandName(command.commandField), fields.status, performance.now() - started);
    },
  };
}

/** A connection that came and went without a request is a port scan or a probe: not worth a warning. */
function logEnd(lines: Logger, error: unknown, established: boolean, draining: boolean): void {
  if (!(error instanceof AssociationError)) lines.error({ err: error }, 'association failed');
  else if (!established && error.failure === 'closed') lines.debug({ reason: error.message }, 'connection without association');
  else if (draining) lines.info({ reason: error.message }, 'association ended because the gateway stops');
  else lines.warn({ failure: error.failure, reason: error.message }, established ? 'association broken' : 'connection ended without an association');
}
