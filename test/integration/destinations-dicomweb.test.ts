import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openDestination, type DestinationClient } from '../../gateway/delivery/destinations/open.ts';
import { DestinationUnavailable } from '../../storage/errors.ts';
import { settingsWith, silent } from '../support/dimse.ts';
import { freePort } from '../support/peers.ts';
import { outcomesOf, ResultFolder } from '../support/results-on-disk.ts';

type Handler = (request: IncomingMessage, body: Buffer, response: ServerResponse) => void;

interface Service extends AsyncDisposable {
  url: string;
  handle: Handler;
}

/** @param readsBody whether requests are read to their end before they are handled */
async function startService(handle: Handler, readsBody = true): Promise<Service> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    if (readsBody) for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    service.handle(request, Buffer.concat(parts), response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const service: Service = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/dicom-web/`,
    handle,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return service;
}

function clientFor(url: string, timeoutSeconds = 5, headers = {}): DestinationClient {
  const settings = settingsWith({ destinations: [{ name: 'archive', type: 'dicomweb', url, headers, timeoutSeconds }] });
  return openDestination(settings.destinations[0]!, settings, silent);
}

const item = (uid: string, more: object = {}) => ({ '00081155': { vr: 'UI', Value: [uid] }, ...more });
const stored = (uid: string, warning?: number) => ({ '00081199': { vr: 'SQ', Value: [item(uid, warning ? { '00081196': { vr: 'US', Value: [warning] } } : {})] } });
const failed = (uid: string, reason: number) => ({ '00081198': { vr: 'SQ', Value: [item(uid, { '00081197': { vr: 'US', Value: [reason] } })] } });
const reply = (status: number, body?: unknown, headers: Record<string, string> = {}): Handler => (_, __, response) =>
  void response.writeHead(status, { 'Content-Type': 'application/dicom+json', ...headers }).end(body === undefined ? '' : JSON.stringify(body));

const never = new AbortController().signal;
const UID = '2.25.10';

describe('delivery to a DICOMweb server', () => {
  let folder: ResultFolder;
  beforeEach(async () => void (folder = await ResultFolder.create()));
  afterEach(() => folder[Symbol.asyncDispose]());

  async function sendOne(service: Service, timeoutSeconds?: number) {
    const client = clientFor(service.url, timeoutSeconds);
    try {
      return (await outcomesOf(client.send([await folder.image(UID)], never)))[0]!;
    } finally {
      await client.close();
    }
  }

  it('posts the very bytes as multipart/related, with the headers of the settings', async () => {
    const seen: { request: IncomingMessage; body: Buffer }[] = [];
    await using service = await startService((request, body, response) => {
      seen.push({ request, body });
      reply(200, stored(seen.length === 1 ? UID : '2.25.11'))(request, body, response);
    });
    const results = [await folder.image(UID, 900_000), await folder.report('2.25.11')];
    const client = clientFor(service.url, 5, { Authorization: 'Bearer secret' });
    const outcomes = await outcomesOf(client.send(results, never));
    await client.close();
    assert.deepEqual(outcomes, results.map(({ sopInstanceUid }) => ({ status: 'delivered', sopInstanceUid, deliveredSopInstanceUid: sopInstanceUid })));
    for (const [index, { request, body }] of seen.entries()) {
      assert.equal(`${request.method} ${request.url}`, 'POST /dicom-web/studies');
      assert.equal(request.headers.authorization, 'Bearer secret');
      assert.equal(request.headers.accept, 'application/dicom+json');
      const [, boundary] = /^multipart\/related; type="application\/dicom"; boundary=(\S+)$/.exec(request.headers['content-type']!)!;
      const [head, tail] = [`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`, `\r\n--${boundary}--\r\n`];
      assert.ok(body.equals(Buffer.concat([Buffer.from(head), await readFile(results[index]!.path), Buffer.from(tail)])));
    }
  });

  const outcomes: [string, Handler, string, RegExp | undefined, boolean?][] = [
    ['200 that names it as stored', reply(200, stored(UID)), 'delivered', undefined],
    ['200 without a word', reply(200), 'delivered', undefined],
    ['202 that names it as stored with a warning', reply(202, stored(UID, 0xb000)), 'delivered', /Warning Reason B000 coercion/],
    ['202 that names it as failed', reply(202, failed(UID, 0xa700)), 'refused', /202, Failure Reason A700 out of resources/, false],
    ['202 without a word', reply(202), 'refused', /202, without a word about the instance/, false],
    ['409 that names it as failed', reply(409, failed(UID, 0xc122)), 'refused', /409, Failure Reason C122 transfer syntax not supported/, false],
    ['409 that names it as not what its SOP class says', reply(409, failed(UID, 0xa900)), 'refused', /A900 dataset does not match SOP class/, true],
    ['409 that names it as a duplicate', reply(409, failed(UID, 0x0111)), 'delivered', /0111 duplicate/],
    ['400 with a message', reply(400, { message: 'no good' }, { 'Content-Type': 'application/json' }), 'refused', /400, .*no good/, true],
    ['415', reply(415), 'refused', /^415/, true],
    ['500', reply(500), 'refused', /^500/, false],
  ];
  for (const [what, handle, status, detail, permanent] of outcomes)
    it(`counts ${what} as ${status}${permanent === undefined ? '' : permanent ? ' for good' : ' for now'}`, async () => {
      await using service = await startService(handle);
      const outcome = await sendOne(service);
      assert.equal(outcome.status, status);
      if (detail) assert.match(outcome.detail!, detail);
      else assert.equal(outcome.detail, undefined);
      if (outcome.status === 'refused') assert.equal(outcome.permanent, permanent);
    });

  const away: [string, Handler, RegExp][] = [
    ['401', reply(401), /answered 401: it wants other credentials/],
    ['403', reply(403), /answered 403/],
    ['404', reply(404), /answered 404: there is no STOW-RS service/],
    ['429', reply(429), /too many requests/],
    ['503', reply(503), /unavailable/],
    ['a redirect', reply(307, undefined, { Location: 'https://elsewhere/' }), /moved to https:\/\/elsewhere\//],
    ['a connection that breaks', (request) => void request.socket.destroy(), /socket hang up|ECONNRESET/],
  ];
  for (const [what, handle, message] of away)
    it(`says that the destination is unavailable on ${what}`, async () => {
      await using service = await startService(handle);
      await assert.rejects(sendOne(service), (error) => error instanceof DestinationUnavailable && message.test(error.message));
    });

  it('gives up a server that never answers, and one that is not there', async () => {
    await using service = await startService(() => {});
    await assert.rejects(sendOne(service, 0.2), (error) => error instanceof DestinationUnavailable && /no answer for 0.2 s/.test(error.message));
    const client = clientFor(`http://127.0.0.1:${await freePort()}`);
    await assert.rejects(outcomesOf(client.send([await folder.image(UID)], never)), (error) => error instanceof DestinationUnavailable && /ECONNREFUSED/.test(error.message));
  });

  it('takes an answer that comes before everything was read', async () => {
    await using service = await startService(reply(413), false);
    const client = clientFor(service.url);
    const [outcome] = await outcomesOf(client.send([await folder.image(UID, 20_000_000)], never));
    await client.close();
    assert.deepEqual([outcome?.status, outcome?.status === 'refused' && outcome.permanent], ['refused', true]);
  });

  it('does not let an instance at which the server breaks off hold back the others', async () => {
    let requests = 0;
    await using service = await startService((request, body, response) => {
      requests += 1;
      if (requests === 2) request.socket.destroy();
      else reply(200)(request, body, response);
    });
    const client = clientFor(service.url);
    const outcomes = await outcomesOf(client.send([await folder.image('2.25.1'), await folder.image('2.25.2'), await folder.image('2.25.3')], never));
    await client.close();
    assert.deepEqual(outcomes.map(({ status }) => status), ['delivered', 'refused', 'delivered']);
    assert.match(outcomes[1]!.detail!, /while this instance was sent/);
  });

  it('refuses a result whose file is gone, and delivers the others', async () => {
    await using service = await startService(reply(200));
    const client = clientFor(service.url);
    const outcomes = await outcomesOf(client.send([{ ...(await folder.image(UID)), path: '/nowhere' }, await folder.image('2.25.11')], never));
    await client.close();
    assert.deepEqual(outcomes.map(({ status }) => status), ['refused', 'delivered']);
    assert.match(outcomes[0]!.detail!, /cannot be read: ENOENT/);
  });
});
