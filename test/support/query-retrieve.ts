// A gateway's DIMSE side with what is kept in a folder: intake, C-FIND over what a test gives, C-MOVE and C-GET with the real transcoder.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Association } from '../../gateway/dimse/association.ts';
import { COMMAND } from '../../gateway/dimse/command.ts';
import { exchangeMany, type ManyOptions, type Response } from '../../gateway/dimse/exchange.ts';
import { writeIdentifier } from '../../gateway/dimse/identifier.ts';
import { queryRetrieveServices } from '../../gateway/dimse/query-retrieve.ts';
import { requestAssociation, type AssociationRequest } from '../../gateway/dimse/requestor.ts';
import { startDimseServer, type DimseServer } from '../../gateway/dimse/server.ts';
import { DatasetTranscoder } from '../../gateway/transcode/dataset-transcoder.ts';
import type { Archive } from '../../storage/archive.ts';
import { dataset, type Dataset } from '../../storage/dicom/dataset.ts';
import { IMPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { imageValues, settingsWith, silent } from './dimse.ts';
import { FolderStore } from './http-gateway.ts';

export const FIND = '1.2.840.10008.5.1.4.1.2.2.1';
export const MOVE = '1.2.840.10008.5.1.4.1.2.2.2';
export const GET = '1.2.840.10008.5.1.4.1.2.2.3';
export const PATIENT_ROOT_FIND = '1.2.840.10008.5.1.4.1.2.1.1';

export interface QueryRetrieveServer extends AsyncDisposable {
  port: number;
  server: DimseServer;
  store: FolderStore;
  /** Stands in for the archive's search. */
  search: Archive['search'];
  transcoder: DatasetTranscoder;
  configure(values: Record<string, unknown>): void;
}

export async function startQueryRetrieve(values: Record<string, unknown> = {}, log: Logger = silent): Promise<QueryRetrieveServer> {
  const folder = await mkdtemp(join(tmpdir(), 'hilum-qr-'));
  const store = await FolderStore.open(folder, log);
  const transcoder = new DatasetTranscoder();
  let settings = settingsWith({ ...values, limits: { drainSeconds: 1, ...(values.limits as object) } });
  const services = queryRetrieveServices({
    archive: { search: (query) => test.search(query), select: (selection) => store.select(selection) },
    transcoder,
    settings: () => settings,
  });
  const server = await startDimseServer({ settings, receiver: store, services, log });
  const test: QueryRetrieveServer = {
    port: server.port,
    server,
    store,
    search: async function* () {},
    transcoder,
    configure(changed) {
      settings = settingsWith(changed);
      server.configure(settings);
    },
    async [Symbol.asyncDispose]() {
      await server.drain();
      await transcoder.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return test;
}

/** Puts images into the store, as intake does. */
export async function keep(store: FolderStore, images: Record<string, unknown>[], transferSyntaxUid?: string): Promise<void> {
  for (const values of images) {
    const elements = dataset({ ...imageValues(String(values.SOPInstanceUID)), ...values });
    const bytes = writePart10(elements, transferSyntaxUid === undefined ? {} : { transferSyntaxUid });
    await keepFile(store, bytes);
  }
}

export async function keepFile(store: FolderStore, bytes: Uint8Array): Promise<void> {
  await store.receive((async function* () { yield bytes; })(), { transport: 'stow', address: '127.0.0.1', associationId: 'test' });
}

export function associateWith(port: number, contexts: AssociationRequest['contexts'], more: Partial<AssociationRequest> = {}): Promise<Association> {
  return requestAssociation({ remote: { host: '127.0.0.1', port, calledAe: 'HILUM', callingAe: 'VIEWER' }, contexts, maxPduBytes: 65_536, timeoutMs: 10_000, ...more });
}

export const context = (abstractSyntax: string, ...transferSyntaxes: string[]): AssociationRequest['contexts'][number] => ({
  abstractSyntax,
  transferSyntaxes: transferSyntaxes.length > 0 ? transferSyntaxes : [IMPLICIT_VR_LITTLE_ENDIAN],
});

/** A C-FIND, C-MOVE or C-GET on the association's first context; all responses. */
export async function operate(
  association: Association,
  commandField: (typeof COMMAND)['findRq' | 'moveRq' | 'getRq'],
  identifier: Record<string, unknown>,
  { moveDestination, ...options }: ManyOptions & { moveDestination?: string } = {},
): Promise<(Response & { dataset?: Dataset })[]> {
  const [first] = association.contexts.values();
  const request = { commandField, affectedSopClassUid: first!.abstractSyntax, messageId: 7, priority: 0, hasDataset: true, ...(moveDestination !== undefined && { moveDestination }) };
  const responses: (Response & { dataset?: Dataset })[] = [];
  for await (const response of exchangeMany(association, first!.id, request, writeIdentifier(dataset(identifier), first!.transferSyntax), options)) responses.push(response);
  return responses;
}
