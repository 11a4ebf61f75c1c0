// Storage as a service of the DIMSE server: every storage SOP class in every transfer syntax (PS3.4 annex B).
import { STORAGE_SOP_CLASSES, TRANSFER_SYNTAXES } from '../../storage/dicom/uids.ts';
import { COMMAND } from './command.ts';
import type { DimseService } from './service.ts';
import { refuseCommand } from './service.ts';
import type { InstanceReceiver } from './storage-scp.ts';
import { handleStore } from './storage-scp.ts';

const ALL_SYNTAXES = new Set(Object.keys(TRANSFER_SYNTAXES));

/** PS3.4 table B.3-2: all elements are kept (level 2), bit by bit and so with their signatures (level 3), and none is coerced. */
export const STORAGE_EXTENDED = Buffer.from([2, 0, 3, 0, 0, 0]);

/** @param stored is told of every C-STORE that was answered */
export function storageService(receiver: InstanceReceiver, stored?: (status: number, bytes: number, milliseconds: number) => void): DimseService {
  return {
    permission: 'store',
    sopClasses: new Map(STORAGE_SOP_CLASSES.map((sopClassUid) => [sopClassUid, ALL_SYNTAXES])),
    extended: () => STORAGE_EXTENDED,
    async handle(call) {
      if (call.message.command.commandField !== COMMAND.storeRq) return refuseCommand(call);
      const started = performance.now();
      const { transport, callingAe, calledAe, address, associationId } = call.caller;
      const { status, bytes } = await handleStore(call.association, call.message, receiver, { transport, callingAe, calledAe, address, associationId }, call.log);
      stored?.(status, bytes, performance.now() - started);
    },
  };
}
