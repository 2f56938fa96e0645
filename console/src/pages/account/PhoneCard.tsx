import { api, data } from '../../api/client';
import { useMe } from '../../session/me';
import { Card } from '../../ui/Card';
import { ContactChange } from './ContactChange';

/** The number that was proved. */
export function PhoneCard() {
  const { phone } = useMe();
  return (
    <Card title="Phone" text={phone ? `Your number is ${phone}.` : 'No number is known.'}>
      <ContactChange
        label="New number"
        field="phone"
        type="tel"
        ask={(value) => data(api.POST('/api/me/phone', { body: { phone: value } }))}
        confirm={(code) => data(api.POST('/api/me/phone/code', { body: { code } }))}
      />
    </Card>
  );
}
