// Verification SCU: is there a DICOM application entity, and does it know us (PS3.4 annex A)?
import { IMPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { AssociationError } from './association-error.ts';
import { COMMAND } from './command.ts';
import { exchange } from './exchange.ts';
import type { RemoteAe } from './requestor.ts';
import { requestAssociation } from './requestor.ts';
import { describeStatus, STATUS } from './status.ts';
import { VERIFICATION_SOP_CLASS } from './verification-scp.ts';

/** @throws {AssociationError} saying why it is not there, or does not want us */
export async function echo(remote: RemoteAe, timeoutMs: number): Promise<void> {
  const contexts = [{ abstractSyntax: VERIFICATION_SOP_CLASS, transferSyntaxes: [IMPLICIT_VR_LITTLE_ENDIAN] }];
  const association = await requestAssociation({ remote, contexts, maxPduBytes: 16_384, timeoutMs });
  try {
    const [context] = association.contexts.values();
    if (!context) throw new AssociationError('rejected', 'the peer does not accept C-ECHO');
    const { status } = await exchange(association, context.id, { commandField: COMMAND.echoRq, affectedSopClassUid: VERIFICATION_SOP_CLASS, messageId: 1, hasDataset: false });
    if (status !== STATUS.success) throw new AssociationError('rejected', `C-ECHO answered with ${describeStatus(status)}`);
    await association.release();
  } catch (error) {
    await association.abort(error);
    throw error;
  }
}
