// A Storage SCP that does what a test tells it: takes only some SOP classes or syntaxes, answers any status, breaks off, hangs.
import { createServer, type AddressInfo } from 'node:net';
import { acceptAssociation } from '../../gateway/dimse/acceptor.ts';
import { abortConnection } from '../../gateway/dimse/association.ts';
import { COMMAND } from '../../gateway/dimse/command.ts';
import type { Rejection } from '../../gateway/dimse/pdu.ts';
import { Wire } from '../../gateway/dimse/wire.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';

export interface Script {
  reject?: Rejection;
  /** Nothing is said after the connection. */
  hangAtOnce?: boolean;
  /** Of each SOP class; all in explicit and implicit little endian unless told. */
  syntaxesOf?(sopClassUid: string): string[] | undefined;
  /** Answer to each C-STORE: a status with an Error Comment, or one of two ways to give none. */
  answer?(sopInstanceUid: string): { status: number; errorComment?: string } | 'abort' | 'hang';
  /** Datasets are left on the wire. */
  readNothing?: boolean;
}

export interface ScriptedScp extends AsyncDisposable {
  port: number;
  script: Script;
  associations: number;
  stored: { sopClassUid: string; sopInstanceUid: string; transferSyntaxUid: string; bytes: Buffer }[];
}

export async function startScriptedScp(script: Script = {}, port = 0): Promise<ScriptedScp> {
  const wires = new Set<Wire>();
  const server = createServer((socket) => {
    const wire = new Wire(socket, 10_000);
    wires.add(wire);
    serve(wire).catch((error: unknown) => abortConnection(wire, error));
  });
  const scp: ScriptedScp = {
    port: 0,
    script,
    associations: 0,
    stored: [],
    async [Symbol.asyncDispose]() {
      for (const wire of wires) wire.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function serve(wire: Wire): Promise<void> {
    const { reject, hangAtOnce, syntaxesOf = () => [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN] } = scp.script;
    if (hangAtOnce) return;
    const established = await acceptAssociation(wire, {
      admit: () => reject && { rejection: reject, why: 'told to' },
      transferSyntaxesOf: (sopClassUid) => new Set(syntaxesOf(sopClassUid)),
      maxPduBytes: 32_768,
    });
    if (established.outcome === 'rejected') return;
    scp.associations += 1;
    const { association } = established;
    for (let message = await association.receive(); message; message = await association.receive()) {
      const { command, context, dataset } = message;
      const { affectedSopClassUid: sopClassUid = '', affectedSopInstanceUid: sopInstanceUid = '', messageId = 0 } = command;
      if (scp.script.readNothing) return;
      const parts: Uint8Array[] = [];
      if (dataset) for await (const part of dataset) parts.push(part);
      const answer = scp.script.answer?.(sopInstanceUid) ?? { status: 0 };
      if (answer === 'hang') return;
      if (answer === 'abort') return association.abort();
      if ((answer.status & 0xf000) === 0xb000 || answer.status === 0)
        scp.stored.push({ sopClassUid, sopInstanceUid, transferSyntaxUid: context.transferSyntax, bytes: Buffer.concat(parts) });
      await association.send(context.id, { commandField: COMMAND.storeRsp, affectedSopClassUid: sopClassUid, affectedSopInstanceUid: sopInstanceUid, messageIdBeingRespondedTo: messageId, hasDataset: false, ...answer });
    }
    await association.close();
  }

  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  scp.port = (server.address() as AddressInfo).port;
  return scp;
}
