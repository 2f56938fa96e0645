import { Choices } from '../../ui/Choices';
import { Page } from '../../ui/Page';
import { Endpoints } from './Endpoints';
import { History } from './History';
import { Mails } from './Mails';

/** What the organization is told of by itself: by mail, in programs of its own, and in chats. */
export default function Alerts() {
  return (
    <Page
      title="Alerts"
      lead="What somebody should know of: told once, by mail, to your programs and in chats."
    >
      <Choices
        label="Alerts"
        choices={[
          { id: 'history', name: 'What was told', view: <History /> },
          { id: 'mails', name: 'Mails', view: <Mails /> },
          { id: 'webhooks', name: 'Webhooks', view: <Endpoints /> },
        ]}
      />
    </Page>
  );
}
