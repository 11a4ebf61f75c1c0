// Statuses of C-FIND, C-MOVE and C-GET (PS3.4 tables C.4-1, C.4-2, C.4-3), and the error that carries one.
import type { Logger } from 'pino';
import { DicomFormatError } from '../../storage/errors.ts';
import { AssociationError } from './association-error.ts';
import type { ResponseFields } from './service.ts';
import { OperationEnded } from './service.ts';
import { refused } from './status.ts';

export const QUERY_STATUS = {
  success: 0x0000,
  outOfResources: 0xa700,
  identifierDoesNotMatchSopClass: 0xa900,
  unableToProcess: 0xc000,
  cancelled: 0xfe00,
  pending: 0xff00,
  /** Some of the optional keys were not supported. */
  pendingWithUnsupportedKeys: 0xff01,
} as const;

export const RETRIEVE_STATUS = {
  success: 0x0000,
  /** The number of matches could not be calculated. */
  outOfResourcesForMatches: 0xa701,
  /** The sub-operations could not be performed. */
  outOfResourcesForSuboperations: 0xa702,
  /** Of C-MOVE only. */
  moveDestinationUnknown: 0xa801,
  identifierDoesNotMatchSopClass: 0xa900,
  /** One or more sub-operations failed or had a warning. */
  someFailed: 0xb000,
  unableToProcess: 0xc000,
  cancelled: 0xfe00,
  pending: 0xff00,
} as const;

/** A query or retrieve that cannot be answered; the message is its Error Comment. */
export class QueryProblem extends Error {
  readonly status: number;
  /** Tags. */
  readonly offendingElements: string[];

  constructor(status: number, message: string, offendingElements: string[] = [], options?: ErrorOptions) {
    super(message, options);
    this.name = 'QueryProblem';
    this.status = status;
    this.offendingElements = offendingElements;
  }

  response(): ResponseFields {
    if (this.status === QUERY_STATUS.cancelled) return { status: this.status };
    return { ...refused(this.status, this.message), ...(this.offendingElements.length > 0 && { offendingElements: this.offendingElements }) };
  }
}

/**
 * What the last response says of an error; `otherwise` where it is trouble of our own, which is logged.
 * @throws {AssociationError} as it came: there is nobody to answer
 */
export function problemOf(error: unknown, otherwise: number, log: Logger): QueryProblem {
  if (error instanceof AssociationError) throw error;
  if (error instanceof QueryProblem) return error;
  if (error instanceof DicomFormatError) return new QueryProblem(QUERY_STATUS.unableToProcess, error.message);
  if (error instanceof OperationEnded) {
    if (error.why === 'stopping') return new QueryProblem(otherwise, 'the gateway is stopping');
    return new QueryProblem(QUERY_STATUS.cancelled, 'cancelled', [], { cause: error });
  }
  log.error({ err: error }, 'the archive could not be asked');
  return new QueryProblem(otherwise, 'internal error, see the log of the gateway');
}
