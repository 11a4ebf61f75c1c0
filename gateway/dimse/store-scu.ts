// Storage SCU: C-STORE of Part 10 files over one association (PS3.4 annex B, PS3.7 9.1.1). Datasets are streamed from disk as they
// are; only where the peer takes nothing but Implicit VR Little Endian are they rewritten.
import { readPart10 } from '../../storage/dicom/part10.ts';
import { rewriteDataset } from '../../storage/dicom/rewrite.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, transferSyntax } from '../../storage/dicom/uids.ts';
import { bytesFrom } from '../../storage/file-bytes.ts';
import type { Association, PresentationContext } from './association.ts';
import { COMMAND } from './command.ts';
import { exchange } from './exchange.ts';

/** A Part 10 file to send, and what its file meta says. */
export interface StorableFile {
  path: string;
  sopClassUid: string;
  sopInstanceUid: string;
  transferSyntaxUid: string;
}

/** One context for each SOP class and transfer syntax, so that the peer cannot choose Implicit VR where it takes the bytes as they are. */
export function contextsFor(files: readonly StorableFile[]): { abstractSyntax: string; transferSyntaxes: string[] }[] {
  const pairs = files.flatMap(({ sopClassUid, transferSyntaxUid }) => syntaxesFor(transferSyntaxUid).map((syntax) => `${sopClassUid} ${syntax}`));
  return [...new Set(pairs)].map((pair) => {
    const [abstractSyntax = '', transferSyntax = ''] = pair.split(' ');
    return { abstractSyntax, transferSyntaxes: [transferSyntax] };
  });
}

function syntaxesFor(transferSyntaxUid: string): string[] {
  return transferSyntaxUid === EXPLICIT_VR_LITTLE_ENDIAN ? [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN] : [transferSyntaxUid];
}

/** The context on which the file can go, as it is before transcoded; undefined where the peer took neither. */
export function contextFor(association: Association, file: StorableFile): PresentationContext | undefined {
  const contexts = [...association.contexts.values()];
  for (const syntax of syntaxesFor(file.transferSyntaxUid)) {
    const found = contexts.find(({ abstractSyntax, transferSyntax }) => abstractSyntax === file.sopClassUid && transferSyntax === syntax);
    if (found) return found;
  }
  return undefined;
}

/**
 * @param dataset of `openDataset`
 * @param messageId 1 to 65535, another one for each message of the association
 * @returns the peer's status and Error Comment, whatever they are
 * @throws {AssociationError} where no answer came
 */
export async function store(
  association: Association,
  context: PresentationContext,
  { sopClassUid, sopInstanceUid }: StorableFile,
  dataset: AsyncIterable<Uint8Array>,
  messageId: number,
): Promise<{ status: number; errorComment?: string }> {
  const request = { commandField: COMMAND.storeRq, affectedSopClassUid: sopClassUid, affectedSopInstanceUid: sopInstanceUid, messageId, priority: 0, hasDataset: true };
  return exchange(association, context.id, request, dataset);
}

/**
 * The file's dataset without its file meta, in the transfer syntax of the context.
 * @throws {DicomFormatError} and what the file system throws, before anything is sent
 */
export async function openDataset({ path, transferSyntaxUid }: StorableFile, context: PresentationContext): Promise<AsyncIterable<Uint8Array>> {
  const file = await readPart10(path);
  if (context.transferSyntax !== transferSyntaxUid) return rewriteDataset(file, transferSyntax(context.transferSyntax));
  return bytesFrom(path, file.datasetOffset);
}
