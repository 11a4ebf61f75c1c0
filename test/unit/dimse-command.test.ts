import assert from 'node:assert/strict';
import { decodeCommand, encodeCommand } from '../../gateway/dimse/command.ts';
import { storeRequest } from '../support/dimse.ts';

describe('command sets', () => {
  it('encodes a C-ECHO response byte for byte as PS3.7 has it', () => {
    const bytes = encodeCommand({ commandField: 0x8030, affectedSopClassUid: '1.2.840.10008.1.1', messageIdBeingRespondedTo: 7, status: 0, hasDataset: false });
    assert.equal(
      bytes.toString('hex'),
      '000000000400000042000000' + // (0000,0000) UL 66
        `0000020012000000${Buffer.from('1.2.840.10008.1.1\0').toString('hex')}` +
        '00000001020000003080' +
        '00002001020000000700' +
        '00000008020000000101' +
        '00000009020000000000',
    );
  });

  it('reads back every field, and whether a dataset follows', () => {
    const command = { ...storeRequest('1.2.3', 65535), moveOriginatorAe: 'PACS', moveOriginatorMessageId: 3, status: 0xa700, errorComment: 'no room' };
    assert.deepEqual(decodeCommand(encodeCommand(command)), command);
    assert.equal(decodeCommand(encodeCommand({ commandField: 0x30, hasDataset: false })).hasDataset, false);
  });

  it('reads back the fields of C-MOVE and of the N-services', () => {
    const counts = { remainingSuboperations: 1, completedSuboperations: 2, failedSuboperations: 65535, warningSuboperations: 0 };
    const move = { commandField: 0x8021, hasDataset: true, moveDestination: 'VIEWER', offendingElements: ['0020000D', '00080052'], errorId: 3, ...counts };
    assert.deepEqual(decodeCommand(encodeCommand(move)), move);
    const action = { commandField: 0x0130, hasDataset: false, requestedSopClassUid: '1.2', requestedSopInstanceUid: '1.2.3', actionTypeId: 1, eventTypeId: 2, attributeIdentifiers: ['7FE00010'], messageId: 9 };
    assert.deepEqual(decodeCommand(encodeCommand(action)), action);
    assert.equal(encodeCommand({ commandField: 0x8110, hasDataset: false, attributeIdentifiers: ['00100020'] }).toString('hex').includes('000005100400000010002000'), true);
    assert.throws(() => decodeCommand(Buffer.from('00000510020000001000', 'hex')), /\(0000,1005\) with 2 bytes, which are no tags/);
  });

  it('passes over a wrong group length, as other toolkits do', () => {
    const bytes = encodeCommand(storeRequest('1.2.3'));
    bytes.writeUInt32LE(5, 8);
    assert.equal(decodeCommand(bytes).affectedSopInstanceUid, '1.2.3');
  });

  it('refuses elements that run past the end, are of another group, or have a length that their VR does not allow', () => {
    const bytes = encodeCommand(storeRequest('1.2.3'));
    assert.throws(() => decodeCommand(bytes.subarray(0, bytes.length - 1)), /more than are left/);
    assert.throws(() => decodeCommand(bytes.subarray(0, bytes.length - 7)), /ends within the header/);
    const long = Buffer.from(bytes);
    long.writeUInt32LE(0xffffffff, 16);
    assert.throws(() => decodeCommand(long), /\(0000,0002\) with 4294967295 bytes/);
    const other = Buffer.from(bytes);
    other.writeUInt16LE(8, 12);
    assert.throws(() => decodeCommand(other), /not of group 0000/);
    const odd = Buffer.from('0000000104000000010000000000000802000000', 'hex');
    assert.throws(() => decodeCommand(odd), /\(0000,0100\) with 4 bytes instead of 2/);
  });

  it('refuses a command set without its command field or data set type', () => {
    assert.throws(() => decodeCommand(Buffer.alloc(0)), /no Command Field/);
    assert.throws(() => decodeCommand(Buffer.from('00000001020000000100', 'hex')), /no Command Data Set Type/);
  });
});
