import assert from 'node:assert/strict';
import { describeStatus, meansStored, refused, statusOfError } from '../../gateway/dimse/status.ts';
import { IntakeRefusal } from '../../storage/errors.ts';

describe('DIMSE statuses', () => {
  it('gives each refusal of intake the status that PS3.4 B.2.3 has for it, with its words as the Error Comment', () => {
    assert.deepEqual(statusOfError(new IntakeRefusal('out-of-room', 'disk nearly full')), { status: 0xa700, errorComment: 'disk nearly full' });
    assert.equal(statusOfError(new IntakeRefusal('too-large', '')).status, 0xa700);
    assert.equal(statusOfError(new IntakeRefusal('mismatch', '')).status, 0xa900);
    assert.equal(statusOfError(new IntakeRefusal('not-understood', '')).status, 0xc000);
    assert.equal(statusOfError(new IntakeRefusal('changed', '')).status & 0xf000, 0xc000);
  });

  it('tells a peer nothing of an internal error but that there was one', () => {
    const { status, errorComment } = statusOfError(new Error('EACCES /srv/secret/Doe^Jane'));
    assert.equal(status, 0x0110);
    assert.doesNotMatch(errorComment!, /secret|Doe/);
  });

  it('keeps an Error Comment to 64 characters of ASCII without backslash, as VR LO wants it', () => {
    const { errorComment } = refused(0xc000, `${'ü\\'.repeat(40)}`);
    assert.equal(errorComment!.length, 64);
    assert.match(errorComment!, /^[\x20-\x5b\x5d-\x7e]+$/);
  });

  it('counts success and the three warnings of C-STORE as stored, and nothing else', () => {
    assert.deepEqual([0x0000, 0xb000, 0xb006, 0xb007].map(meansStored), [true, true, true, true]);
    assert.deepEqual([0xb001, 0xa700, 0xc000, 0x0111, 0xff00].map(meansStored), [false, false, false, false, false]);
  });

  it('puts a status into words', () => {
    assert.equal(describeStatus(0xa700), 'A700 out of resources');
    assert.equal(describeStatus(0xc123), 'C123 cannot understand');
    assert.equal(describeStatus(0x0122), '0122 SOP class not supported');
    assert.equal(describeStatus(0x1234), '1234 unknown status');
  });
});
