// Whatever is sent to UPS-RS is answered with a status that says whose fault it is, and the gateway goes on.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import fc from 'fast-check';
import { KNOWN_VRS } from '../../storage/dicom/vr.ts';
import { startTestGateway, temporaryFolder, type TestGateway } from '../support/gateway.ts';
import { newStep, UpsClient } from '../support/ups.ts';

describe('UPS-RS and whatever it is sent', function () {
  this.timeout(120_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: TestGateway;
  let client: UpsClient;

  before(async () => {
    folder = await temporaryFolder();
    gateway = await startTestGateway(join(folder.path, 'home'), { models: [], routes: [] });
    client = new UpsClient(gateway.api);
    assert.equal((await client.create(newStep(), '2.25.1')).status, 201);
  });
  after(async () => {
    await gateway?.stop();
    await folder.remove();
  });

  const tags = Object.keys(newStep());
  const tag = fc.oneof(fc.constantFrom(...tags, '00081195', '00080018', '00741216', '00741002'), fc.string({ unit: fc.constantFrom(...'0123456789ABCDEFx'), minLength: 7, maxLength: 9 }));
  const { dataset } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, fc.string(), fc.string({ unit: 'binary' }), fc.double(), fc.integer(), fc.constant(null), fc.boolean(), fc.record({ Alphabetic: fc.string() }), tie('dataset')),
    element: fc.oneof(fc.record({ vr: fc.constantFrom(...KNOWN_VRS), Value: fc.array(tie('value'), { maxLength: 3 }) }, { requiredKeys: ['vr'] }), fc.constantFrom(null, 1, 'x', [], { vr: 'QQ' })),
    dataset: fc.dictionary(tag, tie('element'), { maxKeys: 4 }),
  }));

  async function isAnswered(response: Response): Promise<void> {
    const body = await response.text();
    assert.ok(response.status < 500, `${response.status} ${body}`);
    if (response.status >= 400) assert.ok((JSON.parse(body) as { detail: string }).detail.length > 3, body);
  }

  it('takes no text that Postgres cannot keep, and says which', async () => {
    for (const text of ['a\u0000b', '\ud800'])
      for (const response of [await client.create(newStep({ PatientID: text })), await client.update('2.25.1', { ProcedureStepLabel: text }), await client.send('GET', `/workitems?PatientID=${encodeURIComponent(text.replace('\ud800', '\u0000'))}`)]) {
        await isAnswered(response);
      }
    assert.equal((await client.subscribe('1.2.840.10008.5.1.4.34.5.1', 'NUL', '?filter=PatientID=%00')).status, 400);
  });

  it('creates or refuses any change of a good step', async () => {
    await fc.assert(fc.asyncProperty(dataset, async (changes) => isAnswered(await client.send('POST', '/workitems', JSON.stringify({ ...newStep(), ...(changes as object) })))), { numRuns: 150 });
    await isAnswered(await client.send('GET', '/workitems?limit=1000'));
    await isAnswered(await client.send('GET', '/workitems?limit=1000', undefined, { Accept: 'multipart/related; type="application/dicom+xml"' }));
  });

  it('changes a step, its state, or nothing, by any body', async () => {
    const path = fc.constantFrom('POST /workitems/2.25.1', 'PUT /workitems/2.25.1/state', 'POST /workitems/2.25.1/cancelrequest', 'POST /workitems/2.25.1?2.25.9');
    await fc.assert(
      fc.asyncProperty(path, fc.oneof(dataset, fc.anything(), fc.string()), async (line, body) => {
        const [method = '', address = ''] = line.split(' ');
        await isAnswered(await client.send(method, address, JSON.stringify(body) ?? ''));
      }),
      { numRuns: 150 },
    );
    assert.equal((await client.send('GET', '/workitems/2.25.1')).status, 200);
  });

  it('answers any address and any query', async () => {
    const word = fc.oneof(fc.webSegment(), fc.constantFrom('workitems', 'subscribers', 'state', '1.2.840.10008.5.1.4.34.5', '2.25.1', 'AE', '..', '%00', '%E0%A4%A'));
    const query = fc.array(fc.tuple(fc.oneof(fc.constantFrom('limit', 'offset', 'filter', 'PatientName', 'ScheduledProcedureStepStartDateTime', 'ScheduledWorkitemCodeSequence.CodeValue'), fc.webQueryParameters()), fc.webQueryParameters()), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('GET', 'POST', 'DELETE'), fc.array(word, { maxLength: 4 }), query, async (method, words, pairs) => {
        await isAnswered(await client.send(method, `/workitems${words.map((each) => `/${each}`).join('')}?${pairs.map((pair) => pair.join('=')).join('&')}`));
      }),
      { numRuns: 200 },
    );
  });
});
