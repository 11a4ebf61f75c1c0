// Retrieve as SCU: C-GET, whose instances come over the same association, on which we are Storage SCP (PS3.4 C.4.3, PS3.7 9.1.3).
import { EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, TRANSFER_SYNTAXES } from '../../storage/dicom/uids.ts';
import type { Association, Message, PresentationContext } from './association.ts';
import type { AssociationRequest } from './requestor.ts';
import { COMMAND } from './command.ts';
import { protocolError } from './association-error.ts';
import { exchangeMany } from './exchange.ts';
import { RetrieveCounter, type RetrieveCounts, type RetrieveRequest } from './move-scu.ts';
import { identifierBytes, IDENTIFIER_SYNTAXES } from './query-scu.ts';

/** What images are compressed in. */
export const COMPRESSED_SYNTAXES: readonly string[] = Object.keys(TRANSFER_SYNTAXES).filter((uid) => TRANSFER_SYNTAXES[uid]?.encapsulated);

/** An association has room for 128 presentation contexts; one is the retrieve's own, one for another root of it. */
const STORAGE_CONTEXTS = 126;

/** In the order of how often they are met, so that where there is no room for all, it is the rare ones that are left out. */
const COMMON_SYNTAXES = [
  EXPLICIT_VR_LITTLE_ENDIAN,
  IMPLICIT_VR_LITTLE_ENDIAN,
  '1.2.840.10008.1.2.4.70',
  '1.2.840.10008.1.2.4.90',
  '1.2.840.10008.1.2.4.50',
  '1.2.840.10008.1.2.4.91',
  '1.2.840.10008.1.2.4.80',
  '1.2.840.10008.1.2.5',
  '1.2.840.10008.1.2.4.51',
  '1.2.840.10008.1.2.4.57',
  '1.2.840.10008.1.2.4.81',
  '1.2.840.10008.1.2.4.201',
  '1.2.840.10008.1.2.4.202',
  '1.2.840.10008.1.2.4.203',
  EXPLICIT_VR_BIG_ENDIAN,
];
/** Every transfer syntax that an instance may be sent in. */
const SYNTAXES: readonly string[] = [...COMMON_SYNTAXES, ...Object.keys(TRANSFER_SYNTAXES).filter((uid) => !COMMON_SYNTAXES.includes(uid))];

/**
 * Each SOP class with each transfer syntax by itself, so that the peer can send what it has as it is; where that is more than an
 * association has room for, classes first.
 * @param retrieveClasses the SOP classes of C-GET that we may use
 * @param sopClassUids of the instances that are to come, at most 126
 * @param syntaxes all that we know, or some of them
 */
export function getContexts(retrieveClasses: readonly string[], sopClassUids: readonly string[], syntaxes: readonly string[] = SYNTAXES): Pick<AssociationRequest, 'contexts' | 'roles'> {
  if (sopClassUids.length === 0 || sopClassUids.length > STORAGE_CONTEXTS) throw new RangeError(`${sopClassUids.length} SOP classes cannot be proposed at once`);
  const each = Math.floor(STORAGE_CONTEXTS / sopClassUids.length);
  const alone = each >= syntaxes.length ? syntaxes.length : each - 1;
  const rest = syntaxes.slice(alone);
  const syntaxSets = [...syntaxes.slice(0, alone).map((uid) => [uid]), ...(rest.length > 0 ? [rest] : [])];
  return {
    contexts: [
      ...retrieveClasses.map((abstractSyntax) => ({ abstractSyntax, transferSyntaxes: IDENTIFIER_SYNTAXES })),
      ...sopClassUids.flatMap((abstractSyntax) => syntaxSets.map((transferSyntaxes) => ({ abstractSyntax, transferSyntaxes }))),
    ],
    roles: sopClassUids.map((abstractSyntax) => ({ abstractSyntax, scu: false, scp: true })),
  };
}

/**
 * @param onStore takes a C-STORE request: reads its dataset and answers
 * @returns when the peer has sent what it could, or was told to stop
 * @throws {OperationRefused} {AssociationError} what `onStore` throws
 */
export async function get(association: Association, context: PresentationContext, { identifier, messageId }: RetrieveRequest, onStore: (message: Message) => Promise<void>, signal?: AbortSignal): Promise<RetrieveCounts> {
  const request = { commandField: COMMAND.getRq, affectedSopClassUid: context.abstractSyntax, messageId, priority: 0, hasDataset: true };
  const counted = new RetrieveCounter('C-GET');
  const onRequest = async (message: Message): Promise<void> => {
    if (message.command.commandField !== COMMAND.storeRq) throw protocolError(`command ${message.command.commandField.toString(16)} while C-STOREs were due`);
    await onStore(message);
  };
  for await (const response of exchangeMany(association, context.id, request, identifierBytes(identifier, context.transferSyntax), { onRequest, ...(signal && { signal }) })) counted.add(response);
  return counted.result;
}
