// Verification SCP: C-ECHO (PS3.4 annex A, PS3.7 9.3.5).
import { EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { COMMAND } from './command.ts';
import type { DimseService } from './service.ts';
import { refuseCommand } from './service.ts';
import { STATUS } from './status.ts';

export const VERIFICATION_SOP_CLASS = '1.2.840.10008.1.1';

/** PS3.5 10.1: no dataset, so only the default transfer syntaxes of uncompressed data. */
const VERIFICATION_SYNTAXES = new Set([IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN]);

export const verificationService: DimseService = {
  sopClasses: new Map([[VERIFICATION_SOP_CLASS, VERIFICATION_SYNTAXES]]),
  async handle(call) {
    if (call.message.command.commandField !== COMMAND.echoRq) return refuseCommand(call);
    await call.message.dataset?.discard();
    await call.respond({ status: STATUS.success });
  },
};
