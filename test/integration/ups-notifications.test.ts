// Notification connections by themselves: who is dropped, who is let in, and what becomes of events meanwhile.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { RequestHandler } from 'express';
import { upgrade } from '../../gateway/http/upgrade.ts';
import { StepNotifications } from '../../gateway/ups/notifications.ts';
import { dataset, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { silent } from '../support/dimse.ts';
import { waitFor } from '../support/gateway.ts';

describe('notification connections', () => {
  let server: Server;
  let notifications: StepNotifications;
  let wake: (aeTitle: string) => void;
  let waiting: { id: string; event: Dataset }[];
  let url: string;
  /** What the database answers late. */
  let hold: Promise<void>;
  const PING = 100;

  beforeEach(async () => {
    waiting = [];
    hold = Promise.resolve();
    const steps = {
      events: async (_aeTitle: string, limit: number) => {
        await hold;
        return waiting.slice(0, limit);
      },
      told: async (ids: string[]) => void (waiting = waiting.filter(({ id }) => !ids.includes(id))),
      forget: async () => undefined,
    };
    const source = {
      subscribe: (listener: (aeTitle: string) => void) => {
        wake = listener;
        return () => undefined;
      },
    };
    notifications = new StepNotifications(source, steps, silent, PING);
    server = createServer();
    const authenticate: RequestHandler = (_request, _response, next) => next();
    server.on('upgrade', (request, socket, head) => void upgrade(request, socket, head, { notifications, authenticate, hasTokens: false, allowOrigins: ['https://viewer.example'], log: silent }));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/dicomweb/subscribers/`;
  });
  afterEach(async () => {
    notifications.close();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  const put = (number: number): void => void waiting.push({ id: String(number), event: dataset({ AffectedSOPInstanceUID: `2.25.${number}` }) });
  async function open(aeTitle: string, options: { autoPong?: boolean; origin?: string } = {}): Promise<{ socket: WebSocket; events: string[] }> {
    const socket = new WebSocket(url + aeTitle, options);
    const events: string[] = [];
    socket.on('message', (data: Buffer) => void events.push(text(JSON.parse(data.toString()) as Dataset, 'AffectedSOPInstanceUID') ?? ''));
    await once(socket, 'open');
    return { socket, events };
  }

  it('send a thousand events in order, those that come meanwhile among them', async () => {
    for (let number = 0; number < 900; number++) put(number);
    const { events } = await open('A');
    for (let number = 900; number < 1000; number++) {
      put(number);
      wake('A');
    }
    await waitFor(async () => events.length >= 1000, 'the events');
    assert.deepEqual(events, Array.from({ length: 1000 }, (_, number) => `2.25.${number}`));
    assert.equal(waiting.length, 0);
  });

  it('are dropped when nobody answers at the other end; what was not sent waits', async () => {
    const { socket } = await open('B', { autoPong: false });
    await once(socket, 'close');
    await waitFor(async () => notifications.connectionCount === 0, 'the end of the connection');
    put(1);
    wake('B');
    const back = await open('B');
    await waitFor(async () => back.events.length === 1, 'the event');
    // Whoever answers stays.
    await new Promise((resolve) => setTimeout(resolve, 3 * PING));
    assert.equal(back.socket.readyState, WebSocket.OPEN);
  });

  it('send to every connection of an AE title, and lose nothing when one of them breaks', async () => {
    const [one, two] = [await open('C'), await open('C')];
    one.socket.terminate();
    put(1);
    wake('C');
    await waitFor(async () => two.events.length === 1, 'the event');
    assert.equal(notifications.connectionCount, 1);
  });

  it('keep an event that comes while the one before is being looked for', async () => {
    const { events } = await open('D');
    let go: () => void = () => undefined;
    hold = new Promise((resolve) => (go = resolve));
    wake('D');
    put(7);
    wake('D');
    go();
    await waitFor(async () => events.length === 1, 'the event');
  });

  it('are refused to pages of other sites, and to addresses that are none', async () => {
    const refused = async (address: string, origin?: string): Promise<number> => {
      const socket = new WebSocket(address, origin === undefined ? {} : { origin });
      const status = new Promise<number>((resolve) => socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0)));
      socket.on('error', () => undefined);
      return status;
    };
    assert.equal(await refused(`${url}E`, 'https://evil.example'), 403);
    assert.equal(await refused(url.replace('subscribers/', 'other')), 404);
    assert.equal(await refused(`${url}%E0%A4%A`), 400);
    const page = await open('E', { origin: 'https://viewer.example' });
    assert.equal(page.socket.readyState, WebSocket.OPEN);
  });

  it('end a caller that has much to say', async () => {
    const { socket } = await open('F');
    socket.send('x'.repeat(10_000));
    const [status] = (await once(socket, 'close')) as [number];
    assert.equal(status, 1009);
  });
});
