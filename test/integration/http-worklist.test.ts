import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { EventStreams } from '../../gateway/http/event-stream.ts';
import { studyDetail } from '../support/memory-worklist.ts';
import { startTestGateway, type TestGateway } from '../support/http-gateway.ts';

describe('the worklist over HTTP', () => {
  let gateway: TestGateway;
  beforeEach(async () => {
    gateway = await startTestGateway();
    for (let number = 1; number <= 5; number++) gateway.worklist.put(studyDetail(number));
  });
  afterEach(() => gateway.close());

  type List = { entries: { studyInstanceUid: string }[]; next: string | null };
  const getList = async (query = '') => (await (await fetch(`${gateway.url}/api/worklist${query}`)).json()) as List;
  const patch = (uid: string, body: string, type = 'application/json') => fetch(`${gateway.url}/api/studies/${uid}`, { method: 'PATCH', headers: { 'Content-Type': type }, body });

  it('gives the entries in their order, page by page', async () => {
    const seen: string[] = [];
    for (let after: string | null = ''; after !== null; ) {
      const page = await getList(`?limit=2${after && `&after=${after}`}`);
      seen.push(...page.entries.map((entry) => entry.studyInstanceUid));
      after = page.next;
    }
    assert.deepEqual(seen, [1, 2, 3, 4, 5].map((number) => `2.25.1000.${number}`));
  });

  it('refuses limits that are none, and says which parameter is wrong', async () => {
    for (const limit of ['0', '-1', '1001', 'all', '1.5']) {
      const response = await fetch(`${gateway.url}/api/worklist?limit=${limit}`);
      assert.equal(response.status, 400, limit);
      assert.match(((await response.json()) as { detail: string }).detail, /^limit: /);
    }
  });

  it('shows a study whole, and says when there is none', async () => {
    const study = (await (await fetch(`${gateway.url}/api/studies/2.25.1000.2`)).json()) as { instances: unknown[] };
    assert.equal(study.instances.length, 1);
    assert.equal((await fetch(`${gateway.url}/api/studies/2.25.1`)).status, 404);
    assert.equal((await fetch(`${gateway.url}/api/studies/nonsense`)).status, 400);
  });

  it('marks a study as read, and gives it as it is then', async () => {
    const response = await patch('2.25.1000.3', '{"reading":"read"}');
    assert.equal(response.status, 200);
    assert.equal(((await response.json()) as { reading: string }).reading, 'read');
    assert.equal((await gateway.worklist.study('2.25.1000.3'))!.reading, 'read');
  });

  it('refuses changes that it does not understand, and changes nothing', async () => {
    const wrong: [string, string, string, number][] = [
      ['2.25.1000.3', '{"reading":"done"}', 'application/json', 400],
      ['2.25.1000.3', '{"reading":"read","patientName":"X"}', 'application/json', 400],
      ['2.25.1000.3', '{"reading":', 'application/json', 400],
      ['2.25.1000.3', 'null', 'application/json', 400],
      ['2.25.1000.3', '{"reading":"read"}', 'text/plain', 415],
      ['2.25.1000.3', `{"reading":"${'r'.repeat(20_000)}"}`, 'application/json', 413],
      ['2.25.1', '{"reading":"read"}', 'application/json', 404],
    ];
    for (const [uid, body, type, status] of wrong) assert.equal((await patch(uid, body, type)).status, status, body.slice(0, 60));
    assert.equal((await gateway.worklist.study('2.25.1000.3'))!.reading, 'unread');
  });

  it('tells of every change as a server-sent event with the study and a growing id', async () => {
    const stop = new AbortController();
    const response = await fetch(`${gateway.url}/api/events`, { signal: stop.signal });
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value!;
    assert.match(text, /retry: \d+\n/);
    gateway.worklist.tell('2.25.1000.1');
    gateway.worklist.tell('2.25.1000.2');
    while ((text.match(/event: study/g) ?? []).length < 2) text += (await reader.read()).value!;
    const ids = [...text.matchAll(/id: (\d+)\nevent: study\ndata: (.*)\n\n/g)].map((match) => [Number(match[1]), JSON.parse(match[2]!)]);
    assert.deepEqual(ids, [[6, { studyInstanceUid: '2.25.1000.1' }], [7, { studyInstanceUid: '2.25.1000.2' }]], 'five changes came before');
    stop.abort();
  });

  it('drops a client that does not read, and keeps the others', async () => {
    const streams = async () => Number(/hilum_event_streams (\d+)/.exec(await (await fetch(`${gateway.url}/metrics`)).text())![1]);
    const slow = connect(gateway.server.port, '127.0.0.1');
    slow.pause();
    slow.on('error', () => undefined);
    slow.write('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const stop = new AbortController();
    const response = await fetch(`${gateway.url}/api/events`, { signal: stop.signal });
    const reading = (async () => {
      for await (const chunk of response.body!) void chunk;
    })().catch(() => undefined);
    assert.equal(await streams(), 2);
    for (let round = 0; (await streams()) === 2; round++) {
      assert.ok(round < 2000, 'the slow client is still there');
      for (let event = 0; event < 200; event++) gateway.worklist.tell('2.25.1000.1');
    }
    assert.equal(await streams(), 1);
    stop.abort();
    await reading;
    slow.destroy();
  });

  it('beats while nothing happens, and stops listening when it is closed', async () => {
    const streams = new EventStreams(gateway.worklist, 10);
    assert.equal(gateway.worklist.listenerCount, 2);
    streams.close();
    assert.equal(gateway.worklist.listenerCount, 1);
  });
});
