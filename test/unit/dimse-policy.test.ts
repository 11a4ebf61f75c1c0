import assert from 'node:assert/strict';
import { associationPolicy, plainAddress } from '../../gateway/dimse/association-policy.ts';
import { REJECTION } from '../../gateway/dimse/pdu.ts';
import { settingsWith } from '../support/dimse.ts';

const { peers } = settingsWith({ peers: [
  { name: 'pacs', aeTitle: 'PACS', from: ['10.0.0.0/8', '2001:db8::/32'] },
  { name: 'room-1', aeTitle: 'ROOM1', from: ['192.168.1.7'] },
  { name: 'anywhere', aeTitle: 'ANYWHERE', from: [] },
] });
const policy = (acceptUnknownPeers: 'never' | 'loopback' | 'always') =>
  associationPolicy({ dimse: { host: '0.0.0.0', port: 104, aeTitle: 'HILUM' }, peers, acceptUnknownPeers });
const verdict = (accept: Parameters<typeof policy>[0], callingAe: string, address: string, calledAe = 'HILUM') =>
  policy(accept)({ calledAe, callingAe, address })?.rejection;

describe('association policy', () => {
  it('rejects a called AE title that is not ours, whoever calls', () => {
    assert.equal(verdict('always', 'PACS', '10.1.2.3', 'hilum'), REJECTION.calledAeNotRecognized);
  });

  it('takes peers from the addresses that they are expected from, IPv4, mapped IPv4 and IPv6', () => {
    assert.equal(verdict('never', 'PACS', '10.1.2.3'), undefined);
    assert.equal(verdict('never', 'PACS', '::ffff:10.1.2.3'), undefined);
    assert.equal(verdict('never', 'PACS', '2001:db8::1'), undefined);
    assert.equal(verdict('never', 'ROOM1', '192.168.1.7'), undefined);
    assert.equal(verdict('never', 'ANYWHERE', '203.0.113.9'), undefined);
  });

  it('rejects a peer from another address, and says so', () => {
    assert.equal(verdict('never', 'PACS', '11.1.2.3'), REJECTION.callingAeNotRecognized);
    assert.equal(verdict('never', 'PACS', '2001:db9::1'), REJECTION.callingAeNotRecognized);
    assert.match(policy('never')({ calledAe: 'HILUM', callingAe: 'ROOM1', address: '192.168.1.8' })!.why, /not expected from this address/);
  });

  it('takes unknown peers never, from this machine only, or always, as the settings say', () => {
    assert.equal(verdict('never', 'STRANGER', '127.0.0.1'), REJECTION.callingAeNotRecognized);
    assert.equal(verdict('loopback', 'STRANGER', '127.0.0.1'), undefined);
    assert.equal(verdict('loopback', 'STRANGER', '::1'), undefined);
    assert.equal(verdict('loopback', 'STRANGER', '::ffff:127.0.0.1'), undefined);
    assert.equal(verdict('loopback', 'STRANGER', '10.1.2.3'), REJECTION.callingAeNotRecognized);
    assert.equal(verdict('always', 'STRANGER', '203.0.113.9'), undefined);
  });

  it('knows addresses with zone and without', () => {
    assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1');
    assert.equal(plainAddress('::ffff:10.0.0.1'), '10.0.0.1');
  });
});
