import { api, data } from '../../api/client';
import { useMe } from '../../session/me';
import { Card } from '../../ui/Card';
import { ContactChange } from './ContactChange';

/** The address that one signs in with and that mails go to. */
export function EmailCard() {
  const { email } = useMe();
  return (
    <Card title="E-mail" text={`You sign in with ${email}, and mails go there.`}>
      <ContactChange
        label="New address"
        field="email"
        type="email"
        ask={(value) => data(api.POST('/api/me/email', { body: { email: value } }))}
        confirm={(code) => data(api.POST('/api/me/email/code', { body: { code } }))}
      />
    </Card>
  );
}
