import { Start } from '../../start/Start';
import { StatusCard } from '../../status/StatusCard';
import { useServerState } from '../../status/useServerState';
import { Page } from '../../ui/Page';
import { Endpoints } from '../../welcome/Endpoints';
import { Reference } from '../../welcome/Reference';

/** Where the API is, what it has, and how it is called. */
export default function ReferencePage() {
  return (
    <Page title="API reference" lead="OpenAI’s API, at this server’s address.">
      <Start />
      <Endpoints />
      <Reference />
      <StatusCard server={useServerState()} />
    </Page>
  );
}
