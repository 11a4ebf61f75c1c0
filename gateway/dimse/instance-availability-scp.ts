// Instance Availability Notification as SCP (PS3.4 annex R): another system says which instances a study has. Once they are all here,
// nobody waits for the end of the quiet period.
import { items, text } from '../../storage/dicom/dataset.ts';
import { deriveUid, isUid } from '../../storage/dicom/uids.ts';
import type { CompletionRepository } from '../../storage/completion.repository.ts';
import { COMMAND } from './command.ts';
import { DATASET_SYNTAXES } from './identifier.ts';
import { requestDataset } from './request-dataset.ts';
import { refuseCommand, type DimseService, type ServiceCall } from './service.ts';
import { refused, STATUS } from './status.ts';

export const INSTANCE_AVAILABILITY = '1.2.840.10008.5.1.4.33';

/** PS3.7 10.1.5.1.6. */
export const AVAILABILITY_STATUS = { invalidValue: 0x0106, missingAttribute: 0x0120, processingFailure: 0x0110 } as const;

export interface AvailabilityServiceOptions {
  repository: Pick<CompletionRepository, 'announce'>;
  close: Parameters<CompletionRepository['announce']>[3];
}

export function instanceAvailabilityService(options: AvailabilityServiceOptions): DimseService {
  return {
    permission: 'store',
    sopClasses: new Map([[INSTANCE_AVAILABILITY, DATASET_SYNTAXES]]),
    async handle(call) {
      const { commandField, affectedSopInstanceUid } = call.message.command;
      if (commandField !== COMMAND.nCreateRq) return refuseCommand(call);
      const problem = await take(call, options).catch((error: unknown) => {
        if (call.message.dataset?.failure) throw error;
        call.log.error({ err: error }, 'a notification of available instances could not be kept');
        return refused(AVAILABILITY_STATUS.processingFailure, 'internal error, see the log of the gateway');
      });
      if (problem) call.log.warn({ reason: problem.errorComment }, 'notification of available instances refused');
      await call.respond({ status: STATUS.success, affectedSopInstanceUid: affectedSopInstanceUid || deriveUid('2.25', crypto.randomUUID()), ...problem });
    },
  };
}

async function take(call: ServiceCall, { repository, close }: AvailabilityServiceOptions): Promise<{ status: number; errorComment?: string } | undefined> {
  const ds = await requestDataset(call);
  if (typeof ds === 'string') return refused(AVAILABILITY_STATUS.invalidValue, ds);
  const studyInstanceUid = text(ds, 'StudyInstanceUID');
  if (studyInstanceUid === undefined || !isUid(studyInstanceUid)) return refused(AVAILABILITY_STATUS.missingAttribute, 'Study Instance UID is missing or not a UID');
  const references = items(ds, 'ReferencedSeriesSequence').flatMap((series) => items(series, 'ReferencedSOPSequence'));
  // What is not to be had any more will not come.
  const available = references.filter((item) => text(item, 'InstanceAvailability') !== 'UNAVAILABLE');
  const instances = available.map((item) => text(item, 'ReferencedSOPInstanceUID')).filter((uid) => uid !== undefined);
  if (references.length === 0) return refused(AVAILABILITY_STATUS.missingAttribute, 'Referenced Series Sequence names no instance');
  await repository.announce(studyInstanceUid, `notification of ${call.caller.callingAe}`, [...new Set(instances)], close);
  call.log.info({ study: studyInstanceUid, instances: instances.length }, 'instances announced as available');
  return undefined;
}
