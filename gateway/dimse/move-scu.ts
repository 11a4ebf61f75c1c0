// Retrieve as SCU: C-MOVE, whose instances the peer sends over an association of its own (PS3.4 C.4.2, PS3.7 9.1.4).
import type { Dataset } from '../../storage/dicom/dataset.ts';
import type { Association, PresentationContext } from './association.ts';
import { COMMAND, type Command } from './command.ts';
import { exchangeMany } from './exchange.ts';
import { identifierBytes, OperationRefused } from './query-scu.ts';
import { RETRIEVE_STATUS } from './query-status.ts';

/** How far the sub-operations of a C-MOVE or C-GET came (PS3.7 9.1.3.1). */
export interface RetrieveCounts {
  completed: number;
  /** Stored with a warning. */
  warning: number;
  failed: number;
}

export interface RetrieveRequest {
  /** Query/Retrieve Level and unique keys (PS3.4 C.4.2.1.4.1). */
  identifier: Dataset;
  /** 1 to 65535, another one for each message of the association. */
  messageId: number;
}

/** What says that instances were sent, or are. */
const GOES_ON: ReadonlySet<number> = new Set([RETRIEVE_STATUS.success, RETRIEVE_STATUS.pending, RETRIEVE_STATUS.cancelled]);

/**
 * @param destination the AE title where the peer sends to
 * @returns when the peer has sent what it could, or was told to stop
 * @throws {OperationRefused} where it sent nothing, with its reason: A801 for a destination that it does not know
 * @throws {AssociationError}
 */
export async function move(association: Association, context: PresentationContext, { identifier, messageId }: RetrieveRequest, destination: string, signal?: AbortSignal): Promise<RetrieveCounts> {
  const request = { commandField: COMMAND.moveRq, affectedSopClassUid: context.abstractSyntax, messageId, priority: 0, moveDestination: destination, hasDataset: true };
  const counted = new RetrieveCounter('C-MOVE');
  for await (const response of exchangeMany(association, context.id, request, identifierBytes(identifier, context.transferSyntax), signal ? { signal } : {})) counted.add(response);
  return counted.result;
}

/** Peers count in their pending responses, in the last one, in both, or in none. */
export class RetrieveCounter {
  readonly result: RetrieveCounts = { completed: 0, warning: 0, failed: 0 };
  readonly #operation: string;

  constructor(operation: string) {
    this.#operation = operation;
  }

  /** @throws {OperationRefused} for a last status that says that it did not go */
  add({ status, errorComment, ...response }: Command & { status: number }): void {
    this.result.completed = Math.max(this.result.completed, response.completedSuboperations ?? 0);
    this.result.warning = Math.max(this.result.warning, response.warningSuboperations ?? 0);
    this.result.failed = Math.max(this.result.failed, response.failedSuboperations ?? 0);
    if (GOES_ON.has(status) || (status & 0xf000) === RETRIEVE_STATUS.someFailed) return;
    throw new OperationRefused(this.#operation, status, errorComment);
  }
}
