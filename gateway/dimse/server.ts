// The DIMSE server: listens, establishes associations within the limits, and serves C-ECHO and C-STORE on each until it ends.
import { randomUUID } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { Logger } from 'pino';
import type { Settings } from '../../config/settings.ts';
import { EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, STORAGE_SOP_CLASSES, TRANSFER_SYNTAXES } from '../../storage/dicom/uids.ts';
import { acceptAssociation } from './acceptor.ts';
import { AssociationError } from './association-error.ts';
import { associationPolicy, plainAddress } from './association-policy.ts';
import type { Association, Message } from './association.ts';
import { abortConnection } from './association.ts';
import { COMMAND, hex4 } from './command.ts';
import { REJECTION } from './pdu.ts';
import { refused, STATUS } from './status.ts';
import type { InstanceReceiver } from './storage-scp.ts';
import { handleStore } from './storage-scp.ts';
import { handleEcho, VERIFICATION_SOP_CLASS } from './verification-scp.ts';
import { Wire } from './wire.ts';

export interface DimseMetrics {
  association(outcome: 'accepted' | 'rejected' | 'released' | 'broken'): void;
  /** One C-STORE answered; `status` as in PS3.7. */
  stored(status: number, bytes: number, milliseconds: number): void;
}

export interface DimseServerOptions {
  settings: Settings;
  receiver: InstanceReceiver;
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

const STORAGE_CLASSES = new Set<string>(STORAGE_SOP_CLASSES);
const ALL_SYNTAXES = new Set(Object.keys(TRANSFER_SYNTAXES));
/** PS3.5 10.1: no dataset, so only the default transfer syntaxes of uncompressed data. */
const VERIFICATION_SYNTAXES = new Set([IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN]);

interface Connection {
  wire: Wire;
  /** Counts as an association from the moment that we let it in. */
  admitted: boolean;
  association?: Association;
}

/** @throws the error of `listen` (EADDRINUSE, EACCES) */
export async function startDimseServer({ settings: initial, receiver, log, metrics }: DimseServerOptions): Promise<DimseServer> {
  let settings = initial;
  let policy = associationPolicy(initial);
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
        transferSyntaxesOf,
        admit({ calledAe, callingAe }) {
          lines = lines.child({ callingAe });
          const unwelcome = policy({ calledAe, callingAe, address });
          if (unwelcome) return unwelcome;
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
      connection.association = association;
      metrics?.association('accepted');
      lines.info({ contexts: association.contexts.size, implementation: request.implementationVersionName }, 'association accepted');
      if (refusedContexts.length > 0)
        lines.warn({ abstractSyntaxes: [...new Set(refusedContexts.map(({ abstractSyntax }) => abstractSyntax))] }, 'presentation contexts refused');
      const caller = { transport: 'dimse' as const, callingAe: request.callingAe, calledAe: request.calledAe, address, associationId };
      await serveMessages(association, wire, caller, lines);
      connection.admitted = false;
      metrics?.association('released');
      lines.info('association released');
      await association.close();
    } catch (error) {
      const established = connection.association !== undefined;
      connection.admitted = false;
      if (established) metrics?.association('broken');
      logEnd(lines, error, established, draining);
      await abortConnection(wire, error);
    }
  }

  async function serveMessages(association: Association, wire: Wire, caller: Parameters<typeof handleStore>[3], lines: Logger): Promise<void> {
    for (;;) {
      if (draining) wire.limitTotal(RELEASE_GRACE_MS);
      const message = await association.receive();
      if (!message) return;
      if (draining) throw new AssociationError('cancelled', 'the gateway is stopping');
      const { commandField } = message.command;
      if (commandField === COMMAND.storeRq) {
        const started = performance.now();
        const { status, bytes } = await handleStore(association, message, receiver, caller, lines);
        metrics?.stored(status, bytes, performance.now() - started);
      } else if (commandField === COMMAND.echoRq) await handleEcho(association, message);
      else await refuseCommand(association, message, lines);
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
      server.maxConnections = changed.limits.associations + SPARE_CONNECTIONS;
    },
    async drain() {
      draining = true;
      server.close();
      // Each association ends by itself after the instance that it is in; a silent one when its grace is over.
      for (const { wire, association } of connections.keys()) {
        if (!association) wire.fail(new AssociationError('cancelled', 'the gateway is stopping'));
        else if (association.betweenMessages) wire.limitTotal(RELEASE_GRACE_MS);
      }
      const late = setTimeout(() => {
        for (const { wire } of connections.keys()) wire.fail(new AssociationError('cancelled', 'the gateway stopped before the instance was whole'));
      }, settings.limits.drainSeconds * 1000);
      await Promise.all(connections.values());
      clearTimeout(late);
    },
  };
}

function transferSyntaxesOf(abstractSyntax: string): ReadonlySet<string> | undefined {
  if (abstractSyntax === VERIFICATION_SOP_CLASS) return VERIFICATION_SYNTAXES;
  return STORAGE_CLASSES.has(abstractSyntax) ? ALL_SYNTAXES : undefined;
}

/** A request that neither service has is answered with 0211; a cancel, or a response to nothing, is not answered at all. */
async function refuseCommand(association: Association, { context, command, dataset }: Message, lines: Logger): Promise<void> {
  await dataset?.discard();
  lines.warn({ commandField: hex4(command.commandField) }, 'command not supported');
  if (command.commandField === COMMAND.cancelRq || command.commandField >= 0x8000) return;
  await association.send(context.id, {
    commandField: command.commandField | 0x8000,
    affectedSopClassUid: command.affectedSopClassUid ?? command.requestedSopClassUid ?? context.abstractSyntax,
    messageIdBeingRespondedTo: command.messageId ?? 0,
    ...refused(STATUS.unrecognizedOperation, 'only C-ECHO and C-STORE are supported here'),
    hasDataset: false,
  });
}

/** A connection that came and went without a request is a port scan or a probe: not worth a warning. */
function logEnd(lines: Logger, error: unknown, established: boolean, draining: boolean): void {
  if (!(error instanceof AssociationError)) lines.error({ err: error }, 'association failed');
  else if (!established && error.failure === 'closed') lines.debug({ reason: error.message }, 'connection without association');
  else if (draining) lines.info({ reason: error.message }, 'association ended because the gateway stops');
  else lines.warn({ failure: error.failure, reason: error.message }, established ? 'association broken' : 'connection ended without an association');
}
