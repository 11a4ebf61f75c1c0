// Whatever a client asks for is a statement that Postgres understands, and finds nothing that is not there.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ArchiveQuery, Matching, QueryKey } from '../../storage/archive.ts';
import { tagOf, text } from '../../storage/dicom/dataset.ts';
import { ArchiveDatabase } from '../support/archive-database.ts';

/** An attribute of each VR and level, with a column and without; private and unknown ones. */
const TAGS = [
  ...['PatientName', 'PatientID', 'StudyDate', 'StudyTime', 'AccessionNumber', 'ModalitiesInStudy', 'SOPClassesInStudy', 'NumberOfStudyRelatedInstances', 'NumberOfPatientRelatedSeries',
    'ReferringPhysicianName', 'StudyDescription', 'PatientWeight', 'PatientAge', 'Modality', 'SeriesNumber', 'SeriesInstanceUID', 'RequestAttributesSequence', 'NumberOfSeriesRelatedInstances',
    'SOPInstanceUID', 'InstanceNumber', 'Rows', 'AcquisitionDateTime', 'SliceThickness', 'FrameIncrementPointer', 'ImageComments', 'AvailableTransferSyntaxUID', 'InstanceAvailability',
    'TimezoneOffsetFromUTC', 'SpecificCharacterSet', 'OverlayData', 'OperatorsName'].map(tagOf),
  '00091001', '00110010', '60020010',
];
const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.stringMatching(/^[*?\\%_^=a-zÜ .]{0,24}$/),
  fc.stringMatching(/^[0-9.:+-]{0,26}$/),
  fc.constantFrom('Doe^Ann', '*ann*', 'P1', '20240101', '10', '1.5', '20240101103000+0100', 'CR', "'", '\0', '\ud800', '0x10', '1e999'),
);
const { matching } = fc.letrec<{ matching: Matching; key: QueryKey }>((tie) => ({
  matching: fc.oneof(
    { depthSize: 'small' },
    fc.record({ kind: fc.constant('values' as const), values: fc.array(value, { minLength: 1, maxLength: 3 }) }),
    fc.record({ kind: fc.constant('range' as const), from: value, to: value }, { requiredKeys: ['kind'] }),
    fc.constant({ kind: 'empty' as const }),
    fc.constant({ kind: 'universal' as const }),
    fc.record({ kind: fc.constant('sequence' as const), keys: fc.array(tie('key'), { maxLength: 2 }) }),
  ),
  key: fc.record({ tag: fc.constantFrom(...TAGS), matching: tie('matching') }),
}));
const query: fc.Arbitrary<ArchiveQuery> = fc.record({
  level: fc.constantFrom('patient' as const, 'study' as const, 'series' as const, 'instance' as const),
  keys: fc.array(fc.record({ tag: fc.constantFrom(...TAGS), matching }), { maxLength: 4 }),
  include: fc.oneof(fc.constant('all' as const), fc.array(fc.constantFrom(...TAGS), { maxLength: 3 })),
  fuzzy: fc.boolean(),
  combinedDateTime: fc.boolean(),
  limit: fc.integer({ min: 0, max: 3 }),
  offset: fc.integer({ min: 0, max: 2 }),
});

describe('any search of the archive', function () {
  this.timeout(60_000);
  let database: ArchiveDatabase;
  before(async () => {
    database = await ArchiveDatabase.start();
    for (const number of [1, 2])
      await database.store({
        StudyInstanceUID: '1.1', SeriesInstanceUID: `1.1.${number}`, SOPInstanceUID: `1.1.${number}.1`, PatientName: 'Doe^Ann', StudyDate: '20240101', StudyTime: 'never', PatientWeight: 'heavy',
        AcquisitionDateTime: '2024+9999', SeriesNumber: 99, SliceThickness: 1.5, OperatorsName: ['', 'Roe^Al'], RequestAttributesSequence: [{ RequestedProcedureID: 'R' }],
      });
  });
  after(() => database?.[Symbol.asyncDispose]());

  it('is answered, with what the same search without keys finds at most', async () => {
    await fc.assert(
      fc.asyncProperty(query, async (asked) => {
        const found = await database.search(asked);
        assert.ok(found.length <= (asked.limit ?? 0));
        const unique = { patient: 'PatientID', study: 'StudyInstanceUID', series: 'SeriesInstanceUID', instance: 'SOPInstanceUID' }[asked.level];
        const known = (await database.search({ level: asked.level })).map((each) => text(each, unique));
        for (const each of found) assert.ok(known.includes(text(each, unique)));
      }),
      { numRuns: 500, seed: 5 },
    );
  });
});
