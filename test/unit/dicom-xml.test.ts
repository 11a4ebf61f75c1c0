import assert from 'node:assert/strict';
import { dataset, type Dataset } from '../../storage/dicom/dataset.ts';
import { datasetXml, parseDatasetXml } from '../../storage/dicom/xml.ts';
import { DicomFormatError } from '../../storage/errors.ts';

const model = (content: string): string => `<?xml version="1.0"?><NativeDicomModel>${content}</NativeDicomModel>`;

describe('DICOM XML', () => {
  it('names attributes by tag, representation and keyword, and counts their values', () => {
    const xml = datasetXml(dataset({ ImageType: ['ORIGINAL', null, 'AXIAL'], Rows: 5, StudyID: null, FrameIncrementPointer: '00181063' }));
    assert.match(xml, /^<\?xml version="1.0" encoding="UTF-8"\?>\n<NativeDicomModel xmlns="http:\/\/dicom.nema.org\/PS3.19\/models\/NativeDICOM" xml:space="preserve">/);
    assert.match(xml, /<DicomAttribute tag="00080008" vr="CS" keyword="ImageType"><Value number="1">ORIGINAL<\/Value><Value number="2"\/><Value number="3">AXIAL<\/Value><\/DicomAttribute>/);
    assert.match(xml, /<DicomAttribute tag="00280010" vr="US" keyword="Rows"><Value number="1">5<\/Value>/);
    assert.match(xml, /<DicomAttribute tag="00200010" vr="SH" keyword="StudyID"\/>/);
  });

  it("takes a person's name apart into groups and components", () => {
    const name = dataset({ PatientName: { Alphabetic: 'Yamada^Tarou^^Dr', Ideographic: '山田^太郎', Phonetic: 'やまだ' } });
    const xml = datasetXml(name);
    assert.match(xml, /<Alphabetic><FamilyName>Yamada<\/FamilyName><GivenName>Tarou<\/GivenName><NamePrefix>Dr<\/NamePrefix><\/Alphabetic><Ideographic><FamilyName>山田<\/FamilyName><GivenName>太郎<\/GivenName><\/Ideographic><Phonetic><FamilyName>やまだ<\/FamilyName><\/Phonetic>/);
    assert.deepEqual(parseDatasetXml(xml), name);
  });

  it('keeps text as it is, line ends and markup too', () => {
    const text = dataset({ PatientComments: ' <b>&amp; "1"\r\n\t2\n3 é 😀', PatientID: ']]>' });
    assert.deepEqual(parseDatasetXml(datasetXml(text)), text);
  });

  it('stays well-formed where text has what XML cannot hold', () => {
    const xml = datasetXml({ '00104000': { vr: 'LT', Value: ['page\fpage\u0001\ufffe\ud800'] }, '00090010': { vr: 'LO', Value: ['A"<\v'] }, '00091001': { vr: 'LO', Value: ['x'] } });
    assert.deepEqual(parseDatasetXml(xml), { '00104000': { vr: 'LT', Value: ['page\ufffdpage\ufffd\ufffd\ufffd'] }, '00090010': { vr: 'LO', Value: ['A"<\ufffd'] }, '00091001': { vr: 'LO', Value: ['x'] } });
  });

  it('keeps sequences, binary values, values left out, and numbers that JSON cannot hold', () => {
    const all: Dataset = {
      '00081140': { vr: 'SQ', Value: [dataset({ ReferencedSOPInstanceUID: '1.2' }), {}] },
      '00189220': { vr: 'FD', Value: [1.5e-300, 'NaN', '-Infinity'] },
      '00280030': { vr: 'DS', Value: [0.25, 'wrong'] },
      '00420011': { vr: 'OB', InlineBinary: 'JVBERg==' },
      '00720083': { vr: 'UV', Value: [7, '18446744073709551615'] },
      '7FE00010': { vr: 'OW', BulkDataURI: '?offset=1&length=2' },
    };
    assert.match(datasetXml(all), /<BulkData uri="\?offset=1&amp;length=2"\/>/);
    assert.deepEqual(parseDatasetXml(datasetXml(all)), all);
  });

  it('names private attributes by their creator, and finds their block again', () => {
    const ours: Dataset = {
      '00090010': { vr: 'LO', Value: ['ACME'] },
      '00090011': { vr: 'LO', Value: ['OTHER'] },
      '00090012': { vr: 'LO', Value: ['ACME'] },
      '00091001': { vr: 'LO', Value: ['first'] },
      '00091101': { vr: 'LO', Value: ['second'] },
      '00091201': { vr: 'LO', Value: ['third'] },
      '000B1001': { vr: 'UN', InlineBinary: 'AAA=' },
    };
    const xml = datasetXml(ours);
    assert.match(xml, /tag="00090001" vr="LO" privateCreator="OTHER"><Value number="1">second</);
    assert.match(xml, /tag="000B1001" vr="UN">/);
    assert.deepEqual(parseDatasetXml(xml), ours);
  });

  it('finds a block for private attributes whose creator has none, as other writers send them', () => {
    const read = parseDatasetXml(model('<DicomAttribute tag="00090010" vr="LO"><Value number="1">TAKEN</Value></DicomAttribute><DicomAttribute tag="00090001" vr="SH" privateCreator="ACME"><Value number="1">a</Value></DicomAttribute><DicomAttribute tag="000b1001" vr="SH" privateCreator="ACME"><Value number="1">b</Value></DicomAttribute>'));
    assert.deepEqual(read, {
      '00090010': { vr: 'LO', Value: ['TAKEN'] },
      '00090011': { vr: 'LO', Value: ['ACME'] },
      '00091101': { vr: 'SH', Value: ['a'] },
      '000B0010': { vr: 'LO', Value: ['ACME'] },
      '000B1001': { vr: 'SH', Value: ['b'] },
    });
  });

  it('reads what other writers do: a prefix, CDATA, comments, bulk data by UUID, base64 in lines, numbers that skip', () => {
    const read = parseDatasetXml(`<d:NativeDicomModel xmlns:d="http://dicom.nema.org/PS3.19/models/NativeDICOM">
      <!-- a comment --><d:DicomAttribute tag="00100020" vr="LO"><d:Value number="1"><![CDATA[<&amp;>]]>&#x41;&apos;</d:Value></d:DicomAttribute>
      <d:DicomAttribute tag="00080008" vr="CS"><d:Value number="3">C</d:Value></d:DicomAttribute>
      <d:DicomAttribute tag="7fe00010" vr="OW"><d:BulkData uuid="5a6f"/></d:DicomAttribute>
      <d:DicomAttribute tag="00420011" vr="OB"><d:InlineBinary>JVBE
      Rg==</d:InlineBinary></d:DicomAttribute></d:NativeDicomModel>`);
    assert.deepEqual(read, {
      '00100020': { vr: 'LO', Value: ["<&amp;>A'"] },
      '00080008': { vr: 'CS', Value: [null, null, 'C'] },
      '7FE00010': { vr: 'OW', BulkDataURI: 'urn:uuid:5a6f' },
      '00420011': { vr: 'OB', InlineBinary: 'JVBERg==' },
    });
  });

  const attribute = (tag: string, vr: string, content: string): string => model(`<DicomAttribute tag="${tag}" vr="${vr}">${content}</DicomAttribute>`);
  const nested = (depth: number): string => '<DicomAttribute tag="00081140" vr="SQ"><Item number="1">'.repeat(depth) + '</Item></DicomAttribute>'.repeat(depth);
  for (const [what, xml, reason] of [
    ['nothing', '', /not well-formed|no NativeDicomModel/],
    ['another document', '<html/>', /no NativeDicomModel/],
    ['an end that is missing', '<NativeDicomModel><DicomAttribute tag="00100020" vr="LO">', /not well-formed/],
    ['a document type', '<!DOCTYPE a [<!ENTITY b "c">]><NativeDicomModel/>', /a document type or another declaration is not accepted/],
    ['an entity', attribute('00100020', 'LO', '<Value number="1">&file;</Value>'), /"&file;"/],
    ['a control character', attribute('00100020', 'LO', '<Value number="1">&#1;</Value>'), /"&#1;"/],
    ['an entity that is a word of ours', attribute('00100020', 'LO', '<Value number="1">&toString;</Value>'), /"&toString;"/],
    ['an ampersand alone', attribute('00100020', 'LO', '<Value number="1">a & b</Value>'), /"&"/],
    ['an end of another element', '<NativeDicomModel><DicomAttribute tag="00100020" vr="LO"></Item></NativeDicomModel>', /<\/Item> is where <\/DicomAttribute> should be \(line 1, column/],
    ['a second root', '<NativeDicomModel/><NativeDicomModel/>', /second root/],
    ['text around the root', '<NativeDicomModel/>text', /outside the root/],
    ['an XML attribute twice', model('<DicomAttribute tag="00100020" tag="00100021" vr="LO"/>'), /attribute tag twice/],
    ['an XML attribute without quotes', model('<DicomAttribute tag=00100020 vr="LO"/>'), /<DicomAttribute> is not closed, or has an attribute that is none/],
    ['a comment that does not end', model('<!-- a -- b -->'), /comment/],
    ['a tag that is none', attribute('PatientID', 'LO', ''), /tag "PatientID"/],
    ['a representation that is none', attribute('00100020', 'XX', ''), /00100020 .*"XX"/],
    ['an attribute twice', model('<DicomAttribute tag="00100020" vr="LO"/><DicomAttribute tag="00100020" vr="LO"/>'), /00100020 is there twice/],
    ['a number that is none', attribute('00280010', 'US', '<Value number="1">five</Value>'), /00280010 is US and has "five"/],
    ['items where values belong', attribute('00100020', 'LO', '<Item number="1"/>'), /00100020 is LO and cannot have Item/],
    ['values where bytes belong', attribute('00420011', 'OB', '<Value number="1">1</Value>'), /InlineBinary/],
    ['bytes that are not base64', attribute('00420011', 'OB', '<InlineBinary>a b!</InlineBinary>'), /not base64/],
    ['numbers that go back', attribute('00100020', 'LO', '<Value number="2">a</Value><Value number="2">b</Value>'), /number "2" where 3/],
    ['numbers that skip millions', attribute('00100020', 'LO', '<Value number="90000000">a</Value>'), /too many/],
    ['a depth that no dataset has', model(nested(200)), /nest|deep|cannot be read/i],
  ] as const)
    it(`refuses ${what}, and says so`, () => {
      assert.throws(() => parseDatasetXml(xml), (error: unknown) => error instanceof DicomFormatError && reason.test(error.message));
    });

  it('says where in nested items it went wrong', () => {
    const xml = model('<DicomAttribute tag="00081140" vr="SQ"><Item number="1"/><Item number="2"><DicomAttribute tag="00081155" vr="U1"/></Item></DicomAttribute>');
    assert.throws(() => parseDatasetXml(xml), /00081140, item 2: 00081155 has the value representation "U1"/);
  });

  it('reads sequences as deep as files may have them', () => {
    assert.doesNotThrow(() => parseDatasetXml(model(nested(64))));
  });
});
