// Whatever comes as an identifier is understood or refused with a status; and of any requests and cancels, each is answered once, in order.
import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import fc from 'fast-check';
import { Association } from '../../gateway/dimse/association.ts';
import { AssociationError } from '../../gateway/dimse/association-error.ts';
import { COMMAND, encodeCommand, type Command } from '../../gateway/dimse/command.ts';
import { readIdentifier } from '../../gateway/dimse/identifier.ts';
import { IncomingDataset } from '../../gateway/dimse/incoming-dataset.ts';
import { Operations } from '../../gateway/dimse/operations.ts';
import { encodeDataHeader, RELEASE_RQ } from '../../gateway/dimse/pdu.ts';
import { parseFind, parseRetrieve } from '../../gateway/dimse/query-identifier.ts';
import { FIND_MODELS } from '../../gateway/dimse/query-models.ts';
import { QueryProblem } from '../../gateway/dimse/query-status.ts';
import { Wire } from '../../gateway/dimse/wire.ts';
import { dataset } from '../../storage/dicom/dataset.ts';
import { writeDataset } from '../../storage/dicom/write.ts';
import { DicomFormatError } from '../../storage/errors.ts';
import { EXPLICIT, IMPLICIT } from '../support/dimse.ts';

const FIND = '1.2.840.10008.5.1.4.1.2.2.1';
const runs = { numRuns: 500 };

/** A dataset that has come already. */
function incoming(bytes: Uint8Array): IncomingDataset {
  const rest = [Buffer.from(bytes)];
  return new IncomingDataset(
    {
      nextDatasetPdv: async () => ({ contextId: 1, isCommand: false, isLast: true, length: bytes.length }),
      readFragment: async () => rest.shift()!,
    },
    1,
  );
}

const refuses = (error: unknown): void => assert.ok(error instanceof QueryProblem || error instanceof DicomFormatError, `not a refusal: ${String(error)}`);

describe('an identifier', () => {
  const text = fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom('*', '""', '20260101-', '-', '2026', '1.2\\1.3', 'A^B=C', '0800-0900'));
  const values = fc.record({ QueryRetrieveLevel: fc.constantFrom('PATIENT', 'STUDY', 'SERIES', 'IMAGE', 'x', ''), PatientID: text, PatientName: text, StudyDate: text, StudyTime: text, StudyInstanceUID: text, SeriesInstanceUID: text, SOPInstanceUID: text, ModalitiesInStudy: text, ProcedureCodeSequence: fc.array(fc.record({ CodeValue: text }), { maxLength: 3 }) }, { requiredKeys: [], noNullPrototype: true });
  const options = fc.record({ relational: fc.boolean(), combinedDateTime: fc.boolean(), fuzzy: fc.boolean() });

  it('of any bytes is understood or refused', async () => {
    const valid = values.map((one) => writeDataset(dataset(one), IMPLICIT));
    const damaged = fc.tuple(valid, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat()).map(([bytes, changes, length]) => {
      const copy = Buffer.from(bytes);
      for (const [at, value] of changes) copy[at % copy.length] = value;
      return copy.subarray(0, length % (copy.length + 1));
    });
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), valid, damaged);
    await fc.assert(
      fc.asyncProperty(bytes, fc.constantFrom(IMPLICIT, EXPLICIT), options, async (sent, syntax, agreed) => {
        try {
          const identifier = await readIdentifier(incoming(sent), syntax);
          for (const model of Object.values(FIND_MODELS))
            for (const parse of [parseFind, parseRetrieve])
              try {
                parse(identifier, model, agreed);
              } catch (error) {
                refuses(error);
              }
        } catch (error) {
          refuses(error);
        }
      }),
      runs,
    );
  });

  it('never selects more than its level says, and never everything', () => {
    fc.assert(
      fc.property(values, options, (keys, agreed) => {
        try {
          const selection = parseRetrieve(dataset(keys), FIND_MODELS[FIND]!, agreed);
          assert.ok(Object.values(selection).some((value) => value.length > 0), JSON.stringify(selection));
        } catch (error) {
          refuses(error);
        }
      }),
      runs,
    );
  });
});

type Step = { kind: 'find'; dataset: Uint8Array } | { kind: 'echo' } | { kind: 'cancel'; of: number };

describe('operations on an association', () => {
  it('are each performed once, in the order in which they came, however they are cut and cancelled', async () => {
    const step: fc.Arbitrary<Step> = fc.oneof(
      fc.record({ kind: fc.constant('find' as const), dataset: fc.uint8Array({ maxLength: 300 }) }),
      fc.constant({ kind: 'echo' as const }),
      fc.record({ kind: fc.constant('cancel' as const), of: fc.nat(30) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.array(fc.nat(), { maxLength: 10 }), async (steps, cuts) => {
        const [near, far] = duplexPair();
        const association = new Association(new Wire(near, 2000), [{ id: 1, abstractSyntax: FIND, transferSyntax: IMPLICIT }], 65_536, 0);
        const requests: [number, string][] = [];
        const bytes = Buffer.concat([...steps.flatMap((one, index) => encode(one, index + 1, requests)), RELEASE_RQ]);
        far.resume();
        const places = [0, ...cuts.map((cut) => cut % bytes.length).toSorted((a, b) => a - b), bytes.length];
        for (let index = 1; index < places.length; index += 1) far.write(bytes.subarray(places[index - 1], places[index]));
        const performed: [number, string][] = [];
        await new Operations(association, 1000).run(async ({ message }) => {
          const parts: Uint8Array[] = [];
          if (message.command.messageId! % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
          if (message.dataset) for await (const part of message.dataset) parts.push(part);
          performed.push([message.command.messageId!, Buffer.concat(parts).toString('hex')]);
        });
        assert.deepEqual(performed, requests);
        near.destroy();
        far.destroy();
      }),
      { numRuns: 300 },
    );
  });

  it('end with an AssociationError where the peer breaks off anywhere, and nothing hangs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.boolean(), async (cut, isSlow) => {
        const [near, far] = duplexPair();
        const association = new Association(new Wire(near, 2000), [{ id: 1, abstractSyntax: FIND, transferSyntax: IMPLICIT }], 65_536, 0);
        const bytes = Buffer.concat([1, 2, 3].flatMap((messageId) => encode({ kind: 'find', dataset: Buffer.alloc(100, messageId) }, messageId, [])));
        far.resume();
        far.end(bytes.subarray(0, cut % bytes.length));
        const running = new Operations(association, 1000).run(async ({ message, signal }) => {
          await message.dataset?.discard();
          if (isSlow && !signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        });
        await assert.rejects(running, AssociationError);
        near.destroy();
        far.destroy();
      }),
      { numRuns: 200 },
    );
  });
});

/** The bytes of a step; requests are noted as they are to be performed. */
function encode(step: Step, messageId: number, requests: [number, string][]): Buffer[] {
  const pdv = (data: Uint8Array, isCommand: boolean): Buffer[] => [encodeDataHeader({ contextId: 1, isCommand, isLast: true, length: data.length }), Buffer.from(data)];
  const command = (fields: Partial<Command> & { commandField: number }): Buffer[] => pdv(encodeCommand({ messageId, hasDataset: false, ...fields }), true);
  if (step.kind === 'cancel') return command({ commandField: COMMAND.cancelRq, messageIdBeingRespondedTo: step.of });
  requests.push([messageId, step.kind === 'find' ? Buffer.from(step.dataset).toString('hex') : '']);
  if (step.kind === 'echo') return command({ commandField: COMMAND.echoRq });
  return [...command({ commandField: COMMAND.findRq, hasDataset: true }), ...pdv(step.dataset, false)];
}
