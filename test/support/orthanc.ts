// Orthanc with its DICOMweb plugin, on free ports, with an empty database of its own.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startTool } from './peers.ts';

const DICOMWEB_PLUGIN = '/usr/share/orthanc/plugins/libOrthancDicomWeb.so';

export interface Orthanc extends AsyncDisposable {
  aeTitle: string;
  dicomPort: number;
  /** Of its REST interface; DICOMweb is under /dicom-web. */
  url: string;
  output(): string;
}

/**
 * @param modalities where it can send to: name -> AE title, host, port
 * @param settings of Orthanc's own, over those here
 */
export async function startOrthanc(modalities: Record<string, [aeTitle: string, host: string, port: number]> = {}, settings: Record<string, unknown> = {}): Promise<Orthanc> {
  const folder = await mkdtemp(join(tmpdir(), 'hilum-orthanc-'));
  const dicomPort = await freePort();
  await mkdir(join(folder, 'db'));
  const tool = await startTool('Orthanc', async (httpPort) => {
    const configuration = {
      StorageDirectory: join(folder, 'db'),
      IndexDirectory: join(folder, 'db'),
      Plugins: [DICOMWEB_PLUGIN],
      DicomAet: 'ORTHANC',
      DicomPort: dicomPort,
      HttpPort: httpPort,
      RemoteAccessAllowed: false,
      AuthenticationEnabled: false,
      DicomAlwaysAllowStore: true,
      DicomModalities: modalities,
      ...settings,
    };
    const path = join(folder, 'orthanc.json');
    await writeFile(path, JSON.stringify(configuration));
    return [path];
  });
  return {
    aeTitle: 'ORTHANC',
    dicomPort,
    url: `http://127.0.0.1:${tool.port}`,
    output: tool.output,
    async [Symbol.asyncDispose]() {
      await tool[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
