import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { acceptAssociation, type Negotiation } from '../../gateway/dimse/acceptor.ts';
import { decodeAssociateAccept, decodeAssociateRequest, encodeAssociateRequest, type AssociateAccept, type AssociateRequest } from '../../gateway/dimse/associate-pdu.ts';
import { decodeItems } from '../../gateway/dimse/pdu-items.ts';
import { agreedOptions, answerOptions, FIND_OPTIONS } from '../../gateway/dimse/query-models.ts';
import { decodeNegotiated, encodeNegotiated, type Negotiated } from '../../gateway/dimse/user-information.ts';
import { Wire } from '../../gateway/dimse/wire.ts';
import { associateRequest, CR_STORAGE, EXPLICIT, IMPLICIT } from '../support/dimse.ts';

const everything: Negotiated = {
  asyncOperations: { invoked: 0, performed: 5 },
  roles: [{ abstractSyntax: '1.2', scu: false, scp: true }],
  extended: [{ sopClassUid: '1.2.3', information: Buffer.from([1, 0, 1]) }],
  commonExtended: [{ sopClassUid: '1.2.3.4', serviceClassUid: '1.2.840.10008.4.2', relatedGeneralSopClassUids: ['1.2.5', '1.2.6'] }],
  userIdentity: { type: 2, positiveResponse: true, primary: Buffer.from('Jürgen'), secondary: Buffer.from('secret') },
  userIdentityResponse: Buffer.alloc(0),
};
const items = (negotiated: Negotiated) => decodeItems('test', Buffer.concat(encodeNegotiated(negotiated)));

/** What we answer to a request. */
async function answerTo(changes: Partial<AssociateRequest>, negotiation: Partial<Negotiation>): Promise<AssociateAccept> {
  const [near, far] = duplexPair();
  const answer = new Promise<Buffer>((resolve) => far.once('data', resolve));
  far.write(encodeAssociateRequest(associateRequest(changes)));
  await acceptAssociation(new Wire(near, 1000), { admit: () => undefined, transferSyntaxesOf: (uid) => (uid === '9.9' ? undefined : new Set([EXPLICIT, IMPLICIT])), maxPduBytes: 65_536, ...negotiation });
  far.destroy();
  return decodeAssociateAccept((await answer).subarray(6));
}

describe('negotiation of an association', () => {
  it('reads back everything that can be negotiated', () => {
    assert.deepEqual(decodeNegotiated(items(everything)), everything);
    assert.deepEqual(decodeAssociateRequest(encodeAssociateRequest(associateRequest(everything)).subarray(6)).userIdentity, everything.userIdentity);
  });

  it('writes each item as PS3.7 D.3.3 lays it out', () => {
    const hex = (negotiated: Partial<Negotiated>): string => Buffer.concat(encodeNegotiated({ roles: [], ...negotiated })).toString('hex');
    assert.equal(hex({ asyncOperations: { invoked: 3, performed: 1 } }), '5300000400030001');
    assert.equal(hex({ roles: [{ abstractSyntax: '1.2', scu: false, scp: true }] }), '540000070003312e320001');
    assert.equal(hex({ extended: [{ sopClassUid: '1.2', information: Buffer.from([1]) }] }), '560000060003312e3201');
    assert.equal(hex({ commonExtended: [{ sopClassUid: '1.2', serviceClassUid: '1.3', relatedGeneralSopClassUids: ['1.4'] }] }), '570000110003312e320003312e3300050003312e34');
    assert.equal(hex({ userIdentity: { type: 2, positiveResponse: true, primary: Buffer.from('a'), secondary: Buffer.from('b') } }), '580000080201000161000162');
    assert.equal(hex({ userIdentityResponse: Buffer.alloc(0) }), '590000020000');
  });

  it('refuses items whose fields run past their end', () => {
    for (const { type, value } of items(everything))
      for (let length = 0; length < value.length; length += 1) {
        // What the service class wrote into an extended negotiation ends where the item ends.
        if (type === 0x56 && length >= 7) continue;
        assert.throws(() => decodeNegotiated([{ type, value: value.subarray(0, length) }]), { failure: 'protocol' }, `${type.toString(16)} cut at ${length}`);
      }
  });

  it('grants the roles of which we have the other side, and no others', async () => {
    const roles = [CR_STORAGE, '9.9'].flatMap((abstractSyntax) => [{ abstractSyntax, scu: true, scp: true }]);
    assert.deepEqual((await answerTo({ roles }, {})).roles, [{ abstractSyntax: CR_STORAGE, scu: true, scp: false }, { abstractSyntax: '9.9', scu: false, scp: false }]);
    const sends = { sentSyntaxesOf: (uid: string) => (uid === CR_STORAGE ? new Set([IMPLICIT]) : undefined) };
    const accepted = await answerTo({ roles: [{ abstractSyntax: CR_STORAGE, scu: false, scp: true }] }, sends);
    assert.deepEqual(accepted.roles, [{ abstractSyntax: CR_STORAGE, scu: false, scp: true }]);
    assert.equal(accepted.contexts[0]!.transferSyntax, IMPLICIT);
  });

  it('answers extended negotiation of the SOP classes that it takes', async () => {
    const extended = [CR_STORAGE, '9.9'].map((sopClassUid) => ({ sopClassUid, information: Buffer.from([2, 0, 3]) }));
    const accepted = await answerTo({ extended }, { extended: ({ information }) => information.subarray(0, 1) });
    assert.deepEqual(accepted.extended, [{ sopClassUid: CR_STORAGE, information: Buffer.from([2]) }]);
    assert.equal((await answerTo({ extended }, {})).extended, undefined);
  });

  it('grants as many outstanding operations as it takes, and performs none at the same time of its own', async () => {
    const granted = async (invoked: number) => (await answerTo({ asyncOperations: { invoked, performed: 0 } }, { maxOperations: 16 })).asyncOperations;
    assert.deepEqual(await granted(0), { invoked: 16, performed: 1 });
    assert.deepEqual(await granted(3), { invoked: 3, performed: 1 });
    assert.deepEqual(await granted(500), { invoked: 16, performed: 1 });
    assert.equal((await answerTo({}, { maxOperations: 16 })).asyncOperations, undefined);
  });

  it('says that a user was verified only where it was, and was asked to say so', async () => {
    const userIdentity = { type: 1, positiveResponse: true, primary: Buffer.from('a'), secondary: Buffer.alloc(0) };
    assert.deepEqual((await answerTo({ userIdentity }, { verified: () => true })).userIdentityResponse, Buffer.alloc(0));
    assert.equal((await answerTo({ userIdentity }, { verified: () => false })).userIdentityResponse, undefined);
    assert.equal((await answerTo({ userIdentity: { ...userIdentity, positiveResponse: false } }, { verified: () => true })).userIdentityResponse, undefined);
  });

  it('says of the options of a query what both sides have, in as many bytes as were proposed', () => {
    const propose = (...bytes: number[]): number[] => [...answerOptions(FIND_OPTIONS, { sopClassUid: '1.2', information: Buffer.from(bytes) })];
    assert.deepEqual(propose(1, 0, 1), [1, 0, 1]);
    assert.deepEqual(propose(1, 1, 1, 1, 1, 1, 1), [1, 1, 1, 0, 0]);
    assert.deepEqual(propose(), []);
    assert.deepEqual(agreedOptions(FIND_OPTIONS, Buffer.from([1, 0])), { relational: true, combinedDateTime: false, fuzzy: false, timezoneAdjustment: false, enhancedMultiFrameConversion: false });
    assert.equal(agreedOptions(FIND_OPTIONS, undefined).relational, false);
  });
});
