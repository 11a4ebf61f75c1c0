// In which form and transfer syntax instances are sent (PS3.18 8.7.5, 10.4.4): as they are kept where nothing else is asked.
import type { ArchivedInstance } from '../../storage/archive.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, TRANSFER_SYNTAXES, transferSyntax } from '../../storage/dicom/uids.ts';
import { HttpError } from '../http/errors.ts';
import { covers, type MediaType } from '../http/header-parameters.ts';
import type { Transcoder } from '../transcode/transcoder.ts';
import type { Wanted } from './accept.ts';

export const DICOM = 'application/dicom';
export const ZIP = 'application/zip';

export type InstanceForm = 'multipart' | 'single' | 'zip';

export interface ChosenInstance {
  instance: ArchivedInstance;
  /** In which it may be sent, the most wanted first; at least one. */
  syntaxes: string[];
}

export interface Representation {
  form: InstanceForm;
  chosen: ChosenInstance[];
  /** Those that cannot be sent in any transfer syntax that is accepted. */
  left: number;
}

/**
 * The most wanted representation of all instances, or else of as many as there is one for.
 * @throws {HttpError} 406 saying what there is
 */
export function negotiate(wanted: readonly Wanted[], instances: readonly ArchivedInstance[], transcoder: Pick<Transcoder, 'canTranscode'>): Representation {
  let partial: Representation | undefined;
  for (const form of new Set(wanted.flatMap((one) => formsOf(one)))) {
    if (form === 'single' && instances.length > 1) continue;
    const accepted = wanted.filter((one) => formsOf(one).includes(form));
    const chosen = instances
      .map((instance) => ({ instance, syntaxes: syntaxesFor(instance, accepted, transcoder) }))
      .filter(({ syntaxes }) => syntaxes.length > 0);
    const found = { form, chosen, left: instances.length - chosen.length };
    if (found.left === 0) return found;
    if (chosen.length > 0) partial ??= found;
  }
  if (partial) return partial;
  throw new HttpError(406, whatThereIs(instances, transcoder));
}

function formsOf({ form, type }: Wanted): InstanceForm[] {
  const range: MediaType = { type, parameters: new Map() };
  if (form === 'multipart') return covers(range, DICOM) ? ['multipart'] : [];
  if (form === 'either') return ['multipart'];
  return [...(covers(range, DICOM) ? (['single'] as const) : []), ...(covers(range, ZIP) ? (['zip'] as const) : [])];
}

/** Of what is wanted alike, an instance is sent as it is kept where that is among it. */
function syntaxesFor(instance: ArchivedInstance, accepted: readonly Wanted[], transcoder: Pick<Transcoder, 'canTranscode'>): string[] {
  const kept = instance.transferSyntaxUid;
  const syntaxes = new Set<string>();
  for (const quality of new Set(accepted.map((one) => one.quality))) {
    const alike = accepted.filter((one) => one.quality === quality).map(({ transferSyntax: uid }) => syntaxOf(uid, instance));
    if (alike.includes(kept)) syntaxes.add(kept);
    for (const uid of alike) if (uid !== kept && transcoder.canTranscode(kept, uid)) syntaxes.add(uid);
  }
  return [...syntaxes];
}

/** What has no pixels is in a syntax for compressed pixels as it would be without them: in Explicit VR Little Endian. */
function syntaxOf(wanted: string | undefined, { frames, transferSyntaxUid }: ArchivedInstance): string {
  if (wanted === undefined || wanted === '*') return transferSyntaxUid;
  return frames === 0 && wanted !== transferSyntaxUid && transferSyntax(wanted).encapsulated ? EXPLICIT_VR_LITTLE_ENDIAN : wanted;
}

function whatThereIs(instances: readonly ArchivedInstance[], transcoder: Pick<Transcoder, 'canTranscode'>): string {
  const kept = [...new Set(instances.map(({ transferSyntaxUid }) => transferSyntaxUid))];
  const possible = Object.keys(TRANSFER_SYNTAXES).filter((uid) => kept.every((from) => from === uid || transcoder.canTranscode(from, uid)));
  const one = instances.length === 1;
  return [
    `${one ? 'This instance is' : `These ${instances.length} instances are`} served as multipart/related; type="${DICOM}", ${one ? `alone as ${DICOM}, ` : ''}or as ${ZIP}.`,
    `Kept in ${kept.join(', ')}; transfer-syntax may be ${possible.length > 0 ? `${possible.join(', ')} or ` : ''}*.`,
  ].join(' ');
}
