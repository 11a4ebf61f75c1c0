import assert from 'node:assert/strict';
import { decodeAssociateAccept, decodeAssociateRequest, encodeAssociateAccept, encodeAssociateRequest } from '../../gateway/dimse/associate-pdu.ts';
import { decodePdvHeader, describeAbort, describeRejection, encodeAbort, encodeDataHeader, encodeRejection, REJECTION } from '../../gateway/dimse/pdu.ts';
import { associateRequest } from '../support/dimse.ts';

const body = (pdu: Buffer): Buffer => pdu.subarray(6);
const request = body(encodeAssociateRequest(associateRequest({ roles: [{ abstractSyntax: '1.2', scu: true, scp: false }] })));

describe('PDUs of the upper layer', () => {
  it('encodes an A-ASSOCIATE-RQ as PS3.8 table 9-11 lays it out', () => {
    const pdu = encodeAssociateRequest(associateRequest());
    assert.equal(pdu[0], 1);
    assert.equal(pdu.readUInt32BE(2), pdu.length - 6);
    assert.equal(pdu.readUInt16BE(6), 1);
    assert.equal(pdu.toString('latin1', 10, 26), 'HILUM           ');
    assert.equal(pdu.toString('latin1', 26, 42), 'MODALITY        ');
    assert.equal(pdu.toString('hex', 74, 78), '10000015');
    assert.equal(pdu.toString('latin1', 78, 99), '1.2.840.10008.3.1.1.1');
    assert.equal(pdu.toString('hex', 99, 107), '2000004d01000000'); // 77 bytes: ID, abstract syntax, two transfer syntaxes
  });

  it('reads back what it wrote, request and acceptance', () => {
    const sent = associateRequest({ roles: [{ abstractSyntax: '1.2', scu: true, scp: false }] });
    assert.deepEqual(decodeAssociateRequest(request), sent);
    const { protocolVersion: _, contexts: __, ...fields } = sent;
    const accept = { ...fields, contexts: [{ id: 1, result: 0, transferSyntax: '1.2.840.10008.1.2' }, { id: 3, result: 3, transferSyntax: '' }] };
    assert.deepEqual(decodeAssociateAccept(body(encodeAssociateAccept(accept))), accept);
  });

  it('refuses an A-ASSOCIATE-RQ cut at any place, or takes what is whole of it', () => {
    for (let length = 0; length < request.length; length += 1) {
      try {
        decodeAssociateRequest(request.subarray(0, length));
      } catch (error) {
        assert.equal((error as Error).name, 'AssociationError', `cut at ${length}: ${String(error)}`);
      }
    }
  });

  it('passes over items that it does not know', () => {
    const unknown = Buffer.concat([request, Buffer.from([0x77, 0, 0, 3, 1, 2, 3])]);
    assert.equal(decodeAssociateRequest(unknown).contexts.length, 2);
  });

  it('refuses presentation context IDs that are even or used twice', () => {
    const context = { abstractSyntax: '1.2', transferSyntaxes: ['1.2.3'] };
    const withIds = (...ids: number[]): Buffer => body(encodeAssociateRequest(associateRequest({ contexts: ids.map((id) => ({ id, ...context })) })));
    assert.throws(() => decodeAssociateRequest(withIds(2)), /is even/);
    assert.throws(() => decodeAssociateRequest(withIds(1, 1)), /twice/);
  });

  it('says rejections and aborts in the words of the standard', () => {
    assert.equal(
      describeRejection(body(encodeRejection(REJECTION.calledAeNotRecognized))),
      'association rejected permanently by the service user: called AE title not recognized',
    );
    assert.equal(
      describeRejection(body(encodeRejection(REJECTION.localLimitExceeded))),
      'association rejected transiently by the service provider (presentation): local limit exceeded',
    );
    assert.equal(describeRejection(Buffer.from([0, 9, 9, 9])), 'association rejected with result 9 by the source 9: reason 9');
    assert.equal(describeAbort(body(encodeAbort(2, 6))), 'service provider: invalid PDU parameter value');
    assert.equal(describeAbort(body(encodeAbort(0, 0))), 'service user');
  });

  it('refuses a PDV item that is longer than its PDU, or too short for its own header', () => {
    const header = encodeDataHeader({ contextId: 5, isCommand: false, isLast: true, length: 10 }).subarray(6);
    assert.deepEqual(decodePdvHeader(header, 16), { contextId: 5, isCommand: false, isLast: true, length: 10 });
    assert.throws(() => decodePdvHeader(header, 15), /does not fit/);
    assert.throws(() => decodePdvHeader(Buffer.from([0, 0, 0, 1, 1, 0]), 100), /does not fit/);
  });
});
